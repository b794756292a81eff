import type { Revocations } from '@meridian/cluster';
import type { UserId } from '@meridian/protocol';

/** How old the marks may be that are decided by, milliseconds. */
const FRESH_MS = 500;

/**
 * Who was logged out everywhere, by the marks in Redis: what the store cannot be asked while it is away, the marks say. They
 * are set whenever a token version is raised and outlive what is remembered of a user.
 */
export class RevokedLately {
  readonly #marks: Pick<Revocations, 'since'>;
  readonly #now: () => number;
  #read: { readonly at: number; readonly versions: Promise<ReadonlyMap<UserId, number>> } | undefined;

  /** @param now milliseconds, monotonic */
  constructor(marks: Pick<Revocations, 'since'>, now: () => number) {
    this.#marks = marks;
    this.#now = now;
  }

  /** Are tokens of this version worth nothing any more? @throws MeridianError `cluster-unavailable` */
  async isRevoked(userId: UserId, version: number): Promise<boolean> {
    return ((await this.#versions()).get(userId) ?? version) > version;
  }

  #versions(): Promise<ReadonlyMap<UserId, number>> {
    if (this.#read === undefined || this.#now() - this.#read.at > FRESH_MS) {
      const versions = this.#readAll();
      const read = { at: this.#now(), versions };
      this.#read = read;
      versions.catch(() => {
        if (this.#read === read) this.#read = undefined;
      });
    }
    return this.#read.versions;
  }

  async #readAll(): Promise<ReadonlyMap<UserId, number>> {
    const { revocations } = await this.#marks.since(0);
    const versions = new Map<UserId, number>();
    for (const { userId, ver } of revocations) versions.set(userId, Math.max(ver, versions.get(userId) ?? 0));
    return versions;
  }
}
