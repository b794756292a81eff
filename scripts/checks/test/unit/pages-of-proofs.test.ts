import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';

const root = fileURLToPath(new URL('../../../../', import.meta.url));
const read = (name: string) => readFileSync(`${root}docs/${name}`, 'utf8');
const page = read('security.md');

test.each(['security.md', 'proofs.md'])('%s names tests that there are', (name) => {
  const named = [...read(name).matchAll(/`([a-z-]+\/test\/[\w./-]+\.ts)`/g)].flatMap(([, path]) => path ?? []);
  expect(new Set(named).size).toBeGreaterThan(25);
  for (const path of named) expect(existsSync(`${root}packages/${path}`), path).toBe(true);
});

describe('the page about security', () => {
  test('names settings that there are', async () => {
    const { settings: node } = await import('../../../../packages/sfu-node/src/config.ts');
    const { settings: service } = await import('../../../../packages/session-api/src/config.ts');
    const { variableOf } = await import('../../../../packages/protocol/src/config.ts');
    const known = new Set([...Object.keys(node), ...Object.keys(service)].map(variableOf));
    for (const [, name = ''] of page.matchAll(/`(MERIDIAN_[A-Z_]+)(?:=\w+)?`/g)) expect(known, name).toContain(name);
  });

  test('names error codes that there are', async () => {
    const { ERRORS } = await import('../../../../packages/protocol/src/errors.ts');
    const limits = page.slice(page.indexOf('## Too much of something'), page.indexOf('## On the wire'));
    const codes = [...limits.matchAll(/\| ([^|]*) \| [^|]* \|$/gm)].flatMap(([, cell = '']) =>
      [...cell.matchAll(/`([a-z-]+)`/g)].flatMap(([, code]) => code ?? []),
    );
    expect(codes.length).toBeGreaterThan(10);
    for (const code of codes) expect(Object.keys(ERRORS)).toContain(code);
  });
});
