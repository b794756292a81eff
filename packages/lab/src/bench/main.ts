import { mkdir, writeFile } from 'node:fs/promises';
import { availableParallelism, cpus } from 'node:os';
import { dirname, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import type { BenchResult } from './result.ts';

/** Each is loaded only when it runs: they start clusters, workers and browsers of their own. */
const BENCHES: Readonly<Record<string, () => Promise<{ run(): Promise<BenchResult> }>>> = {
  placement: () => import('./placement.ts'),
  'redis-per-join': () => import('./redis-per-join.ts'),
  forwarding: () => import('./forwarding.ts'),
  'relay-hop': () => import('./relay-hop.ts'),
  memory: () => import('./memory.ts'),
  'round-trips': () => import('./round-trips.ts'),
};

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { json: { type: 'string' }, help: { type: 'boolean', short: 'h' } },
});

const names = positionals.length === 0 ? Object.keys(BENCHES) : positionals;
const unknown = names.filter((name) => !Object.hasOwn(BENCHES, name));
if (values.help || unknown.length > 0) {
  if (unknown.length > 0) console.error(`unknown: ${unknown.join(', ')}`);
  console.error(`pnpm bench [--json FILE] [${Object.keys(BENCHES).join(' | ')}] ...   (all when none is named)`);
  process.exit(unknown.length > 0 ? 2 : 0);
}

console.log(`Node ${process.version}, ${availableParallelism()} cores, ${cpus()[0]?.model ?? 'unknown CPU'}\n`);
const results: BenchResult[] = [];
let failed = 0;
for (const name of names) {
  const load = BENCHES[name];
  if (load === undefined) continue;
  try {
    const result = await (await load()).run();
    results.push(result);
    console.log(`## ${result.name}`);
    for (const line of result.lines) console.log(`   ${line}`);
    console.log('');
  } catch (error) {
    failed += 1;
    console.error(`## ${name} failed`, error);
  }
}
if (values.json !== undefined) {
  await mkdir(dirname(resolve(values.json)), { recursive: true });
  await writeFile(values.json, `${JSON.stringify(results, null, 2)}\n`);
}
process.exitCode = failed > 0 ? 1 : 0;
