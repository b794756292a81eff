import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { readKeyFiles } from '../../src/tokens/key-files.ts';
import { KeyRing } from '../../src/tokens/key-ring.ts';
import { rotateKeys } from '../../src/tokens/rotate.ts';

const lifetimes = { nodeTokensMs: 60_000, allTokensMs: 600_000 };
let folder: string;
let keysDir: string;
let nowMs: number;
const rings: KeyRing[] = [];

const openRing = async () => {
  const ring = await KeyRing.open({
    keysDir,
    lifetimes,
    now: () => nowMs,
    refreshMs: 3_600_000,
    onRefreshFailed: () => {},
  });
  rings.push(ring);
  return ring;
};
const rotate = (options: { publishAheadMs?: number; revoke?: string[] } = {}) =>
  rotateKeys({ keysDir, lifetimes, nowMs, publishAheadMs: 1_000, revoke: [], ...options });

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'meridian-keys-'));
  keysDir = join(folder, 'keys');
  nowMs = 1_800_000_000_000;
});

afterEach(async () => {
  for (const ring of rings.splice(0)) ring.close();
  await rm(folder, { recursive: true });
});

describe('the ring of signing keys', () => {
  test('makes one key at the first start, readable by its user only, and finds it again', async () => {
    const first = await openRing();
    const [name] = await readdir(keysDir);
    const again = await openRing();

    expect(again.signing().kid).toBe(first.signing().kid);
    expect((await stat(join(keysDir, name ?? ''))).mode & 0o777).toBe(0o600);
    expect((await stat(keysDir)).mode & 0o777).toBe(0o700);
  });

  test('instances that start together on an empty folder agree on one key', async () => {
    const together = await Promise.all(Array.from({ length: 5 }, openRing));

    expect(new Set(together.map((ring) => ring.signing().kid)).size).toBe(1);
    expect(await readKeyFiles(keysDir)).toHaveLength(1);
  });

  test('publishes public parts only', async () => {
    const ring = await openRing();
    const { keys } = ring.jwks();

    expect(keys).toEqual([
      { kty: 'OKP', crv: 'Ed25519', x: expect.any(String), kid: ring.signing().kid, alg: 'EdDSA', use: 'sig' },
    ]);
  });

  test('follows a rotation: published first, signing later, the old one accepted to the end', async () => {
    const ring = await openRing();
    const old = ring.signing().kid;
    const { created } = await rotate();
    await ring.refresh();

    expect(ring.signing().kid).toBe(old);
    expect(ring.jwks().keys.map(({ kid }) => kid)).toEqual([old, created.kid]);

    nowMs += 1_000;
    expect(ring.signing().kid).toBe(created.kid);
    await expect(ring.verifying(old)).resolves.toBeDefined();

    nowMs += lifetimes.nodeTokensMs;
    expect(ring.jwks().keys.map(({ kid }) => kid)).toEqual([created.kid]);

    nowMs += lifetimes.allTokensMs;
    await expect(ring.verifying(old)).rejects.toMatchObject({ code: 'token-key-unknown' });
  });

  test('reads the folder again when a token names a key that it does not know yet', async () => {
    const ring = await openRing();
    const { created } = await rotate();
    nowMs += 1_000;

    await expect(ring.verifying(created.kid)).resolves.toBeDefined();
  });

  test('does not read the folder for every token with an invented key', async () => {
    const ring = await openRing();
    nowMs += 1_000;
    await expect(ring.verifying('invented-key')).rejects.toMatchObject({ code: 'token-key-unknown' });
    const { created } = await rotate();

    // Within the same second the folder is not read a second time.
    await expect(ring.verifying(created.kid)).rejects.toMatchObject({ code: 'token-key-unknown' });
    nowMs += 1_000;
    await expect(ring.verifying(created.kid)).resolves.toBeDefined();
  });

  test('goes on with the keys it has when the folder cannot be read any more', async () => {
    const ring = await openRing();
    const { kid } = ring.signing();
    await writeFile(join(keysDir, 'broken.key.json'), '{"kid": 1}');

    await expect(ring.refresh()).rejects.toMatchObject({ code: 'config-invalid' });
    expect(ring.signing().kid).toBe(kid);
  });

  test('does not start on a broken key, and names the file without its content', async () => {
    await openRing();
    await writeFile(join(keysDir, 'broken.key.json'), '{"kid": "secret-in-the-wrong-place"}');
    const failure = await openRing().catch((error: unknown) => error);

    expect(failure).toMatchObject({ code: 'config-invalid', message: expect.stringContaining('broken.key.json') });
    expect(String(failure)).not.toContain('secret-in-the-wrong-place');
  });
});

describe('rotating', () => {
  test('removes keys of which nothing can be valid any more', async () => {
    const ring = await openRing();
    const old = ring.signing().kid;
    await rotate({ publishAheadMs: 0 });
    nowMs += lifetimes.allTokensMs + 1;
    const { retired } = await rotate();

    expect(retired).toEqual([old]);
    expect((await readKeyFiles(keysDir)).map(({ kid }) => kid)).not.toContain(old);
  });

  test('revoking the signing key makes the new one sign at once and refuses the old one', async () => {
    const ring = await openRing();
    const leaked = ring.signing().kid;
    const { created } = await rotate({ revoke: [leaked] });
    await ring.refresh();

    expect(ring.signing().kid).toBe(created.kid);
    expect(ring.jwks().keys.map(({ kid }) => kid)).toEqual([created.kid]);
    await expect(ring.verifying(leaked)).rejects.toMatchObject({ code: 'token-key-unknown' });
  });

  test('two rotations in a row sign in the order in which they were made', async () => {
    const ring = await openRing();
    await rotate({ publishAheadMs: 0 });
    const { created } = await rotate({ publishAheadMs: 0 });
    nowMs += 10;
    await ring.refresh();

    expect(ring.signing().kid).toBe(created.kid);
  });

  test('an unknown key to revoke changes nothing', async () => {
    await openRing();
    const before = await readdir(keysDir);

    await expect(rotate({ revoke: ['no-such-key'] })).rejects.toMatchObject({ code: 'not-found' });
    expect(await readdir(keysDir)).toEqual(before);
  });

  test('a folder without keys is refused: it is the wrong one', async () => {
    await expect(rotate()).rejects.toMatchObject({ code: 'config-invalid', message: expect.stringContaining(keysDir) });
  });

  test('leaves nothing half-written behind', async () => {
    await openRing();
    await rotate();

    for (const name of await readdir(keysDir)) {
      expect(name).toMatch(/\.key\.json$/);
      expect(JSON.parse(await readFile(join(keysDir, name), 'utf8'))).toHaveProperty('privateJwk.d');
    }
  });
});
