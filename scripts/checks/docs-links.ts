import { access, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { command, root } from './command.ts';
import { failure, type Outcome, pass } from './outcome.ts';

/** Files that the documents name, as a link or as `packages/...` in code style, have to exist. */
export async function checkLinks(signal: AbortSignal): Promise<Outcome> {
  const listed = await command('git', ['ls-files', '-z', '--', '*.md'], { signal, limitMs: 20_000 });
  const problems: string[] = [];
  for (const file of listed.output.split('\0').filter((name) => name !== '')) {
    const text = await readFile(join(root, file), 'utf8');
    const links = [...text.matchAll(/\]\(([^)#\s]+)(?:#[^)]*)?\)/g)]
      .map((match) => match[1] ?? '')
      .filter((target) => !/^[a-z]+:/.test(target))
      .map((target) => join(dirname(file), target));
    const named = [...text.matchAll(/`((?:packages|scripts|deploy|docs)\/[\w./-]+)`/g)].map((match) => match[1] ?? '');
    for (const target of new Set([...links, ...named])) {
      await access(join(root, target)).catch(() => problems.push(`${file} names ${target}, which does not exist`));
    }
  }
  return problems.length === 0 ? pass : failure('links in the documents', problems.join('\n'));
}
