import { isSdkError, type MeridianApi, type UserTokenSource } from '@meridian/client';
import { type UserTokenReply, UserTokenReply as UserTokenReplySchema } from '@meridian/protocol';
import { readPreference, writePreference } from '../preferences.ts';
import { Store } from '../store.ts';

const KEY = 'account';
/** A token is not begun with any more when it ends within this time. Milliseconds. */
const SPARE_MS = 60_000;
const NAMELESS = 'Guest';

/** Who uses this browser: an account, a guest, or nobody yet. Kept in localStorage. */
export class AccountStore extends Store<UserTokenReply | null> {
  readonly #api: MeridianApi;
  #entering: Promise<UserTokenReply> | undefined;

  constructor(api: MeridianApi) {
    super(readKept());
    this.#api = api;
  }

  get isSignedIn(): boolean {
    return this.get()?.user.kind === 'account';
  }

  /** The name that people see; empty while nobody has given one. */
  get name(): string {
    const name = this.get()?.user.name ?? '';
    return name === NAMELESS ? '' : name;
  }

  /** Whoever is here, entered as a guest when nobody is. */
  async ensure(): Promise<UserTokenReply> {
    const current = this.get();
    if (current !== null && current.expiresAtMs - SPARE_MS > Date.now()) return current;
    this.#entering ??= this.#api
      .enterAsGuest(current?.user.name ?? NAMELESS)
      .then((entered) => this.#keep(entered))
      .finally(() => {
        this.#entering = undefined;
      });
    return this.#entering;
  }

  /** Whoever is here, under this name. */
  async ensureNamed(name: string): Promise<UserTokenReply> {
    const current = await this.ensure();
    if (current.user.name === name) return current;
    return this.#keep(await this.#api.rename(current.userToken, name));
  }

  /** For the SDK. A guest whose token is refused enters anew; an account has to sign in again. */
  readonly tokens: UserTokenSource = async ({ renew }) => {
    const current = this.get();
    if (renew && current !== null) {
      this.#keep(null);
      if (current.user.kind === 'guest') return (await this.#enterAgain(current.user.name)).userToken;
    }
    return (await this.ensure()).userToken;
  };

  async signUp(form: { email: string; password: string; name: string }): Promise<void> {
    this.#keep(await this.#api.register(form));
  }

  async signIn(form: { email: string; password: string }): Promise<void> {
    this.#keep(await this.#api.login(form));
  }

  signOut(): void {
    this.#keep(null);
  }

  /** Calls with a user token; a refused one is replaced once. */
  async with<T>(call: (userToken: string) => Promise<T>): Promise<T> {
    const token = await this.tokens({ renew: false, signal: undefined });
    try {
      return await call(token);
    } catch (error) {
      if (!isSdkError(error, 'token-expired', 'token-invalid', 'token-key-unknown', 'token-revoked')) throw error;
      return call(await this.tokens({ renew: true, signal: undefined }));
    }
  }

  async #enterAgain(name: string): Promise<UserTokenReply> {
    const entered = await this.#api.enterAsGuest(name);
    this.#keep(entered);
    return entered;
  }

  #keep<T extends UserTokenReply | null>(value: T): T {
    writePreference(KEY, value === null ? undefined : JSON.stringify(value));
    this.set(value);
    return value;
  }
}

function readKept(): UserTokenReply | null {
  const kept = readPreference(KEY);
  if (kept === undefined) return null;
  try {
    const read = UserTokenReplySchema.safeParse(JSON.parse(kept));
    return read.success ? read.data : null;
  } catch {
    return null;
  }
}
