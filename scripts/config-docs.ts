/**
 * Writes the configuration tables of README.md from the services' schemas, between the markers
 * `<!-- config:<service> -->` and `<!-- /config:<service> -->`. `--check` only compares.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { configTable, type Settings } from '@meridian/protocol';
import { settings as sessionApi } from '../packages/session-api/src/config.ts';
import { settings as sfuNode } from '../packages/sfu-node/src/config.ts';

const file = fileURLToPath(new URL('../README.md', import.meta.url));
const tables: Readonly<Record<string, Settings>> = { 'session-api': sessionApi, 'sfu-node': sfuNode };

const before = await readFile(file, 'utf8');
let after = before;
for (const [service, settings] of Object.entries(tables)) {
  const from = `<!-- config:${service} -->`;
  const to = `<!-- /config:${service} -->`;
  const start = after.indexOf(from);
  const end = after.indexOf(to);
  if (start === -1 || end < start) {
    console.error(`README.md has no place for the settings of ${service}: ${from} ... ${to}`);
    process.exit(1);
  }
  after = `${after.slice(0, start + from.length)}\n${configTable(settings)}\n${after.slice(end)}`;
}
if (after !== before && process.argv.includes('--check')) {
  console.error('the configuration tables of README.md are not those of the code; run node scripts/config-docs.ts');
  process.exit(1);
}
if (after !== before) await writeFile(file, after);
console.log(after === before ? 'the configuration tables are up to date' : 'wrote the configuration tables');
