import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { RecordLine } from '../../src/experiment/index.ts';

/** The lines of the example of a recorded run. */
export async function exampleLines(): Promise<RecordLine[]> {
  const text = await readFile(fileURLToPath(new URL('../fixtures/example-run.jsonl', import.meta.url)), 'utf8');
  return text
    .trimEnd()
    .split('\n')
    .map((line) => RecordLine.parse(JSON.parse(line)));
}
