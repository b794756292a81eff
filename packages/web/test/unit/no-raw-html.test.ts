import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';

const WAYS =
  /dangerouslySetInnerHTML|\.(inner|outer)HTML\b|insertAdjacentHTML|document\.write|createContextualFragment|\beval\(|new Function\(|\bsrcdoc\b|srcDoc/;

const sources = ['../../src', '../../../client/src'].flatMap((folder) => {
  const root = fileURLToPath(new URL(folder, import.meta.url));
  return readdirSync(root, { recursive: true, encoding: 'utf8' })
    .filter((name) => /\.tsx?$/.test(name))
    .map((name) => `${root}/${name}`);
});

describe('the web app and the SDK', () => {
  test('write what people say as text: there is no way for it to become HTML or code', () => {
    expect(sources.length).toBeGreaterThan(30);
    for (const source of sources) expect(readFileSync(source, 'utf8'), source).not.toMatch(WAYS);
  });
});
