import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'rolldown';

const source = (name: string) => fileURLToPath(new URL(`../page/${name}.ts`, import.meta.url));

const INDEX = `<!doctype html>
<html lang="en">
  <head><meta charset="utf-8" /><title>Meridian lab</title></head>
  <body><script type="module" src="/assets/main.js"></script></body>
</html>
`;

/**
 * Bundles the page of an experiment's clients, real SDK included, into a folder that the session service serves as its
 * web app.
 * @throws what the bundler throws
 */
export async function buildPage(dir: string): Promise<void> {
  const assets = join(dir, 'assets');
  await mkdir(assets, { recursive: true });
  // One after the other: each is a file of its own, without shared pieces, since worklets import nothing.
  for (const [name, entry] of [
    ['main', 'main'],
    ['ticks', 'tick-worklets'],
  ] as const) {
    await build({
      input: source(entry),
      platform: 'browser',
      logLevel: 'warn',
      output: { file: join(assets, `${name}.js`), format: 'esm', minify: true },
    });
  }
  await writeFile(join(dir, 'index.html'), INDEX);
}
