import { randomBytes } from 'node:crypto';
import { chmod, link, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { MeridianError, parseJson, TOKEN_ALGORITHM } from '@meridian/protocol';
import { exportJWK, generateKeyPair } from 'jose';
import { z } from 'zod';
import type { KeyTimes } from './key-plan.ts';

/** RFC 8037: an Ed25519 key pair as a JWK. */
const Ed25519Jwk = z.object({
  kty: z.literal('OKP'),
  crv: z.literal('Ed25519'),
  x: z.string().min(1),
  d: z.string().min(1),
});

const KeyFileContent = z.object({
  kid: z.string().regex(/^[a-z0-9-]{8,64}$/),
  createdAtMs: z.int().nonnegative(),
  signsFromMs: z.int().nonnegative(),
  privateJwk: Ed25519Jwk,
});

/** A signing key as it lies in the folder, one JSON file per key. */
export type KeyFile = z.infer<typeof KeyFileContent> & KeyTimes;

const SUFFIX = '.key.json';
const pathOf = (keysDir: string, kid: string): string => join(keysDir, `${kid}${SUFFIX}`);

/**
 * All keys of the folder; none when it does not exist.
 * @throws MeridianError `config-invalid` naming a file that is no key
 */
export async function readKeyFiles(keysDir: string): Promise<KeyFile[]> {
  let names: string[];
  try {
    names = await readdir(keysDir);
  } catch (error) {
    if (isMissing(error)) return [];
    throw error;
  }
  const keys = await Promise.all(
    names.filter((name) => name.endsWith(SUFFIX)).map((name) => readKeyFile(join(keysDir, name))),
  );
  return keys.filter((key) => key !== undefined);
}

async function readKeyFile(path: string): Promise<KeyFile | undefined> {
  try {
    return parseJson(KeyFileContent, await readFile(path, 'utf8'), 'config-invalid', `signing key ${path}`);
  } catch (error) {
    // Removed between the listing and the reading: another instance or the operator tidied up.
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/**
 * Makes a new Ed25519 key that signs from `signsFromMs` on and puts it into the folder, readable by
 * the service's user only. The file appears whole or not at all.
 */
export async function createKeyFile(
  keysDir: string,
  { nowMs, signsFromMs }: { nowMs: number; signsFromMs: number },
): Promise<KeyFile> {
  const { privateKey } = await generateKeyPair(TOKEN_ALGORITHM, { crv: 'Ed25519', extractable: true });
  const kid = `${new Date(nowMs).toISOString().slice(0, 10)}-${randomBytes(6).toString('hex')}`;
  const key: KeyFile = {
    kid,
    createdAtMs: nowMs,
    signsFromMs,
    privateJwk: Ed25519Jwk.parse(await exportJWK(privateKey)),
  };
  const unfinished = join(keysDir, `.${kid}.${process.pid}.tmp`);
  try {
    await mkdir(keysDir, { recursive: true, mode: 0o700 });
    await writeFile(unfinished, `${JSON.stringify(key, null, 2)}\n`, { mode: 0o600, flag: 'wx' });
    await chmod(unfinished, 0o600);
    await link(unfinished, pathOf(keysDir, kid));
  } catch (cause) {
    throw new MeridianError('config-invalid', {
      message: `No signing key could be written into ${keysDir}; make the folder writable or set MERIDIAN_KEYS_DIR.`,
      cause,
    });
  } finally {
    await rm(unfinished, { force: true });
  }
  return key;
}

/** How long an instance waits for the one that is making the first key before it makes one itself, milliseconds. */
const FIRST_KEY_WAIT_MS = 5_000;

/**
 * Makes the first key of an empty folder. Of several instances that start at once one makes it and
 * the others wait for it, so that none signs with a key that the others have not read.
 */
export async function ensureFirstKey(keysDir: string, now: () => number): Promise<void> {
  await mkdir(keysDir, { recursive: true, mode: 0o700 });
  const marker = join(keysDir, '.first-key');
  const isMine = await mkdir(marker).then(
    () => true,
    () => false,
  );
  try {
    for (let waitedMs = 0; !isMine && waitedMs < FIRST_KEY_WAIT_MS; waitedMs += 50) {
      if ((await readKeyFiles(keysDir)).length > 0) return;
      await delay(50);
    }
    if ((await readKeyFiles(keysDir)).length > 0) return;
    const nowMs = now();
    await createKeyFile(keysDir, { nowMs, signsFromMs: nowMs });
  } finally {
    // A marker left behind by a crash goes too.
    await rm(marker, { recursive: true, force: true });
  }
}

/** Removes a key; what it signed is refused from then on. Returns whether it was there. */
export async function removeKeyFile(keysDir: string, kid: string): Promise<boolean> {
  try {
    await rm(pathOf(keysDir, kid));
    return true;
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
}

const isMissing = (error: unknown): boolean => error instanceof Error && 'code' in error && error.code === 'ENOENT';
