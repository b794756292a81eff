import type { RoomSlug } from '@meridian/protocol';

/** The part of `Storage` that the SDK uses; `sessionStorage` fits. */
export interface KeyValueStore {
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
  removeItem(key: string): void;
}

export function memoryStore(): KeyValueStore {
  const values = new Map<string, string>();
  return {
    getItem: (key) => values.get(key) ?? null,
    setItem: (key, value) => void values.set(key, value),
    removeItem: (key) => void values.delete(key),
  };
}

/** `sessionStorage`, or memory where the browser forbids it (private modes, sandboxed frames). */
export function tabStore(): KeyValueStore {
  try {
    const probe = 'meridian.probe';
    sessionStorage.setItem(probe, '1');
    sessionStorage.removeItem(probe);
    return sessionStorage;
  } catch {
    return memoryStore();
  }
}

const keyOf = (slug: RoomSlug) => `meridian.session.${slug}`;

/**
 * Hands the session of a tab over to the page that follows in it, so that a refreshed page takes its
 * own participant over. The token is put down only when the page goes away and is taken up by one
 * reader: a duplicated tab copies `sessionStorage` while the first one is alive, finds nothing there,
 * and so becomes a participant of its own.
 */
export class SessionHandover {
  readonly #store: KeyValueStore;
  readonly #key: string;

  constructor(store: KeyValueStore, slug: RoomSlug) {
    this.#store = store;
    this.#key = keyOf(slug);
  }

  take(): string | undefined {
    const token = this.#store.getItem(this.#key) ?? undefined;
    this.#store.removeItem(this.#key);
    return token;
  }

  put(token: string): void {
    try {
      this.#store.setItem(this.#key, token);
    } catch {
      // storage full: the refreshed page then makes a new participant, nothing worse
    }
  }
}
