import { MeridianError, TOKEN_ALGORITHM } from '@meridian/protocol';
import { type CryptoKey, importJWK } from 'jose';
import { ensureFirstKey, type KeyFile, readKeyFiles } from './key-files.ts';
import { type KeyLifetimes, type KeyTimes, planKeys } from './key-plan.ts';

/** A public key as it is published (RFC 7517, RFC 8037). */
export interface PublishedJwk {
  readonly kty: 'OKP';
  readonly crv: 'Ed25519';
  readonly x: string;
  readonly kid: string;
  readonly alg: typeof TOKEN_ALGORITHM;
  readonly use: 'sig';
}

interface LoadedKey extends KeyTimes {
  readonly publicJwk: PublishedJwk;
  readonly publicKey: CryptoKey;
  readonly privateKey: CryptoKey;
}

export interface KeyRingOptions {
  readonly keysDir: string;
  readonly lifetimes: KeyLifetimes;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** How often the folder is read again, milliseconds. */
  readonly refreshMs: number;
  /** Told when a reading of the folder fails; the keys that are known stay in use. */
  readonly onRefreshFailed: (cause: unknown) => void;
}

/** A token with a key that is not known makes the folder be read at once, but not more often than this. */
const UNKNOWN_KEY_COOLDOWN_MS = 1_000;

/**
 * The signing keys of the folder that all instances share. The first start makes one; afterwards
 * whatever is put into the folder or taken out of it is followed without a restart.
 */
export class KeyRing {
  readonly #options: KeyRingOptions;
  #keys = new Map<string, LoadedKey>();
  #refreshing: Promise<void> | undefined;
  #lastRefreshMs = Number.NEGATIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;

  private constructor(options: KeyRingOptions) {
    this.#options = options;
  }

  /** @throws MeridianError `config-invalid` when the folder holds a broken key or takes none. */
  static async open(options: KeyRingOptions): Promise<KeyRing> {
    const ring = new KeyRing(options);
    await ring.refresh();
    if (ring.#keys.size === 0) {
      await ensureFirstKey(options.keysDir, options.now);
      await ring.refresh();
    }
    ring.#timer = setInterval(() => {
      ring.refresh().catch(options.onRefreshFailed);
    }, options.refreshMs).unref();
    return ring;
  }

  /** Reads the folder now; concurrent calls share one reading. */
  refresh(): Promise<void> {
    this.#refreshing ??= this.#read().finally(() => {
      this.#refreshing = undefined;
    });
    return this.#refreshing;
  }

  /** The key that signs now. @throws MeridianError `internal` when the folder was emptied. */
  signing(): { kid: string; privateKey: CryptoKey } {
    const { signing } = this.#plan();
    if (signing === undefined) {
      throw new MeridianError('internal', { cause: new Error(`no signing key in ${this.#options.keysDir}`) });
    }
    return { kid: signing.kid, privateKey: signing.privateKey };
  }

  /** The public key of that id. @throws MeridianError `token-key-unknown` */
  async verifying(kid: string | undefined): Promise<CryptoKey> {
    const known = this.#find(kid);
    if (known !== undefined) return known;
    if (this.#options.now() - this.#lastRefreshMs >= UNKNOWN_KEY_COOLDOWN_MS) {
      await this.refresh().catch(this.#options.onRefreshFailed);
    }
    const found = this.#find(kid);
    if (found === undefined) throw new MeridianError('token-key-unknown');
    return found;
  }

  /** RFC 7517, public parts only. */
  jwks(): { keys: PublishedJwk[] } {
    return { keys: this.#plan().published.map(({ publicJwk }) => publicJwk) };
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #plan() {
    return planKeys([...this.#keys.values()], this.#options.now(), this.#options.lifetimes);
  }

  #find(kid: string | undefined): CryptoKey | undefined {
    return this.#plan().verifying.find((key) => key.kid === kid)?.publicKey;
  }

  async #read(): Promise<void> {
    this.#lastRefreshMs = this.#options.now();
    const files = await readKeyFiles(this.#options.keysDir);
    const loaded = await Promise.all(files.map((file) => this.#keys.get(file.kid) ?? load(file)));
    this.#keys = new Map(loaded.map((key) => [key.kid, key]));
  }
}

async function load(file: KeyFile): Promise<LoadedKey> {
  const { kty, crv, x } = file.privateJwk;
  const publicJwk = { kty, crv, x };
  return {
    kid: file.kid,
    createdAtMs: file.createdAtMs,
    signsFromMs: file.signsFromMs,
    publicJwk: { ...publicJwk, kid: file.kid, alg: TOKEN_ALGORITHM, use: 'sig' },
    publicKey: await importJWK(publicJwk, TOKEN_ALGORITHM),
    privateKey: await importJWK(file.privateJwk, TOKEN_ALGORITHM),
  };
}
