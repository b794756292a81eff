import { MeridianError } from '@meridian/protocol';
import { createKeyFile, type KeyFile, readKeyFiles, removeKeyFile } from './key-files.ts';
import { type KeyLifetimes, planKeys } from './key-plan.ts';

export interface RotationRequest {
  readonly keysDir: string;
  readonly lifetimes: KeyLifetimes;
  readonly nowMs: number;
  /**
   * How long the new key is published before it signs, milliseconds: longer than running instances
   * take to read the folder and caches keep the JWKS.
   */
  readonly publishAheadMs: number;
  /** Keys that are to be refused from now on (a key that leaked). */
  readonly revoke: readonly string[];
}

export interface Rotation {
  readonly created: KeyFile;
  /** Removed because nothing they signed can be valid any more. */
  readonly retired: readonly string[];
  readonly revoked: readonly string[];
}

/**
 * Puts a new key into the folder; running instances follow by themselves. The key that signs now goes
 * on until the new one takes over and stays valid until its last token has expired. Revoking a key that
 * signs makes the new one sign at once.
 * @throws MeridianError `config-invalid` for a folder without keys (a wrong path would go unnoticed), `not-found`
 * for a key id that is not in it; nothing is changed then
 */
export async function rotateKeys(request: RotationRequest): Promise<Rotation> {
  const { keysDir, lifetimes, nowMs, publishAheadMs, revoke } = request;
  const keys = await readKeyFiles(keysDir);
  if (keys.length === 0) {
    throw new MeridianError('config-invalid', {
      message: `There are no keys in ${keysDir}; set MERIDIAN_KEYS_DIR to the folder that the service uses.`,
    });
  }
  const missing = revoke.filter((kid) => !keys.some((key) => key.kid === kid));
  if (missing.length > 0) {
    throw new MeridianError('not-found', { message: `There is no key ${missing.join(', ')} in ${keysDir}.` });
  }
  const kept = keys.filter((key) => !revoke.includes(key.kid));
  const somethingSigns = kept.some((key) => key.signsFromMs <= nowMs);
  const created = await createKeyFile(keysDir, {
    nowMs,
    // Always after the youngest there is, so that every instance puts the keys into the same order.
    signsFromMs: Math.max(
      somethingSigns ? nowMs + publishAheadMs : nowMs,
      ...(somethingSigns ? kept.map((key) => key.signsFromMs + 1) : []),
    ),
  });
  const { retired } = planKeys([...kept, created], nowMs, lifetimes);
  for (const { kid } of retired) await removeKeyFile(keysDir, kid);
  for (const kid of revoke) await removeKeyFile(keysDir, kid);
  return { created, retired: retired.map(({ kid }) => kid), revoked: revoke };
}
