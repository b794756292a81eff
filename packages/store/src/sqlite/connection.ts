import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { isMeridianError, MeridianError } from '@meridian/protocol';
import { fromSqlite } from './errors.ts';
import { migrate } from './migrations.ts';

/**
 * One database file. Calls are synchronous and short; while another process writes, they wait up to
 * the busy timeout.
 */
export class SqliteConnection {
  readonly #db: DatabaseSync;

  private constructor(db: DatabaseSync) {
    this.#db = db;
  }

  /**
   * Opens (or makes) the file and brings its schema up to date.
   * @throws MeridianError `config-invalid` when it cannot be a database of ours, `store-unavailable` when it is busy.
   */
  static open(path: string, options: { busyTimeoutMs: number; nowMs: number }): SqliteConnection {
    if (path === '') {
      throw new MeridianError('config-invalid', { message: 'the store sqlite: needs a path, as in sqlite:data.db' });
    }
    let db: DatabaseSync | undefined;
    try {
      if (path !== ':memory:') mkdirSync(dirname(path), { recursive: true });
      db = new DatabaseSync(path, { timeout: options.busyTimeoutMs, enableForeignKeyConstraints: true });
      // Readers and the writer do not wait for each other. Every commit is synced: what was
      // acknowledged outlives a loss of power.
      db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL');
      migrate(db, options.nowMs);
      return new SqliteConnection(db);
    } catch (thrown) {
      db?.close();
      const error = fromSqlite(thrown);
      if (isMeridianError(error, 'config-invalid')) throw error;
      if (isMeridianError(error, 'store-unavailable') && db !== undefined) throw error;
      const reason = thrown instanceof Error ? thrown.message : String(thrown);
      throw new MeridianError('config-invalid', {
        message: `the store sqlite:${path} cannot be opened: ${reason}`,
        cause: thrown,
      });
    }
  }

  prepare(sql: string): StatementSync {
    return this.#db.prepare(sql);
  }

  /**
   * Runs statements and puts their errors into the store's words.
   * @throws MeridianError `closed` after `close()`.
   */
  run<T>(work: () => T): T {
    if (!this.#db.isOpen) throw new MeridianError('closed', { message: 'the store is closed' });
    try {
      return work();
    } catch (thrown) {
      throw fromSqlite(thrown);
    }
  }

  /** Like `run`, as one transaction: all of it or nothing. */
  transaction<T>(work: () => T): T {
    return this.run(() => {
      this.#db.exec('BEGIN IMMEDIATE');
      try {
        const result = work();
        this.#db.exec('COMMIT');
        return result;
      } catch (thrown) {
        // Some errors have ended the transaction already.
        if (this.#db.isTransaction) this.#db.exec('ROLLBACK');
        throw thrown;
      }
    });
  }

  /** Idempotent. */
  close(): void {
    if (this.#db.isOpen) this.#db.close();
  }
}
