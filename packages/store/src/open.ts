import { MeridianError } from '@meridian/protocol';
import { openMongoStore } from './mongodb/store.ts';
import type { Store } from './ports.ts';
import { openSqliteStore } from './sqlite/store.ts';

export interface StoreOptions {
  /** Told what is not as it should be and yet does not stop the store, for the log. */
  readonly onWarning?: (message: string) => void;
  /** Milliseconds since 1970; dates the migrations. */
  readonly now?: () => number;
  /** SQLite: milliseconds to wait for another process that writes. */
  readonly busyTimeoutMs?: number;
  /** MongoDB: milliseconds to wait for a server that can take the operation. */
  readonly serverSelectionTimeoutMs?: number;
  /** MongoDB: milliseconds after which an operation is given up, its retry included. */
  readonly operationTimeoutMs?: number;
}

/**
 * Opens the store that a URL names: `sqlite:<path>`, `sqlite::memory:`, `mongodb://...` or `mongodb+srv://...`
 * (database `meridian` unless the URL has another). Brings its schema or indexes up to date first.
 * @throws MeridianError `config-invalid` when the URL cannot be used, `store-unavailable` when the
 * database does not answer now.
 */
export async function openStore(url: string, options: StoreOptions = {}): Promise<Store> {
  if (url.startsWith('sqlite:')) return openSqliteStore(url.slice('sqlite:'.length), options);
  if (url.startsWith('mongodb://') || url.startsWith('mongodb+srv://')) return await openMongoStore(url, options);
  throw new MeridianError('config-invalid', {
    message: 'the store must be sqlite:<path>, sqlite::memory:, mongodb://... or mongodb+srv://...',
  });
}
