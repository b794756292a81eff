import type { DatabaseSync } from 'node:sqlite';
import { MeridianError } from '@meridian/protocol';
import { z } from 'zod';

export interface Migration {
  /** Counts from 1 without gaps. A migration that was released is never changed; add another one. */
  readonly version: number;
  readonly name: string;
  readonly sql: string;
}

export const MIGRATIONS: readonly Migration[] = [
  {
    version: 1,
    name: 'users, rooms, messages',
    sql: `
      CREATE TABLE users (
        user_id TEXT PRIMARY KEY,
        email TEXT NOT NULL,
        email_key TEXT NOT NULL UNIQUE,
        name TEXT NOT NULL,
        password_hash TEXT NOT NULL,
        token_version INTEGER NOT NULL,
        created_at_ms INTEGER NOT NULL
      ) STRICT;

      -- Owners, members and senders may be guests, who have no row in users.
      CREATE TABLE rooms (
        room_id TEXT PRIMARY KEY,
        slug TEXT NOT NULL UNIQUE,
        title TEXT NOT NULL,
        owner_id TEXT NOT NULL,
        visibility TEXT NOT NULL CHECK (visibility IN ('public', 'private')),
        duplicates TEXT NOT NULL CHECK (duplicates IN ('allow', 'replace', 'reject')),
        capacity INTEGER NOT NULL,
        created_at_ms INTEGER NOT NULL
      ) STRICT;
      CREATE INDEX rooms_by_owner ON rooms (owner_id, created_at_ms DESC, room_id DESC);

      CREATE TABLE members (
        room_id TEXT NOT NULL REFERENCES rooms (room_id) ON DELETE CASCADE,
        user_id TEXT NOT NULL,
        name TEXT NOT NULL,
        joined_at_ms INTEGER NOT NULL,
        PRIMARY KEY (room_id, user_id)
      ) STRICT, WITHOUT ROWID;
      CREATE INDEX members_by_user ON members (user_id, joined_at_ms DESC, room_id DESC);

      CREATE TABLE invitations (
        invitation_id TEXT PRIMARY KEY,
        room_id TEXT NOT NULL REFERENCES rooms (room_id) ON DELETE CASCADE,
        invited_by TEXT NOT NULL,
        created_at_ms INTEGER NOT NULL,
        expires_at_ms INTEGER NOT NULL
      ) STRICT;
      CREATE INDEX invitations_by_room ON invitations (room_id);
      CREATE INDEX invitations_by_expiry ON invitations (expires_at_ms);

      CREATE TABLE messages (
        room_id TEXT NOT NULL REFERENCES rooms (room_id) ON DELETE CASCADE,
        message_id TEXT NOT NULL,
        session_id TEXT NOT NULL,
        user_id TEXT NOT NULL,
        name TEXT NOT NULL,
        text TEXT NOT NULL,
        sent_at_ms INTEGER NOT NULL,
        PRIMARY KEY (room_id, message_id)
      ) STRICT, WITHOUT ROWID;
      CREATE INDEX messages_by_time ON messages (sent_at_ms);
    `,
  },
  {
    version: 2,
    name: 'expulsions',
    sql: `
      -- Invitations issued up to this time do not bring the user back into the room.
      CREATE TABLE expulsions (
        room_id TEXT NOT NULL REFERENCES rooms (room_id) ON DELETE CASCADE,
        user_id TEXT NOT NULL,
        expelled_at_ms INTEGER NOT NULL,
        PRIMARY KEY (room_id, user_id)
      ) STRICT, WITHOUT ROWID;
    `,
  },
];

const Applied = z.array(z.object({ version: z.int().positive(), name: z.string() }));

/**
 * Applies what the database lacks, all of it or nothing; two processes that start at once do not
 * get into each other's way. Each step is recorded in `schema_migrations`.
 * @returns the versions that were applied now.
 * @throws MeridianError `config-invalid` when the database was made by a newer or another program.
 */
export function migrate(
  db: DatabaseSync,
  nowMs: number,
  migrations: readonly Migration[] = MIGRATIONS,
): readonly number[] {
  db.exec('BEGIN IMMEDIATE');
  try {
    db.exec(`
      CREATE TABLE IF NOT EXISTS schema_migrations (
        version INTEGER PRIMARY KEY,
        name TEXT NOT NULL,
        applied_at_ms INTEGER NOT NULL
      ) STRICT`);
    const applied = Applied.parse(db.prepare('SELECT version, name FROM schema_migrations ORDER BY version').all());
    for (const [index, { version, name }] of applied.entries()) {
      const known = migrations[index];
      if (!known || known.version !== version || known.name !== name) {
        throw new MeridianError('config-invalid', {
          message:
            `the database has the migration ${version} (${name}), which this version of Meridian does not know; ` +
            'use the version that wrote it, or another file',
        });
      }
    }
    const record = db.prepare('INSERT INTO schema_migrations (version, name, applied_at_ms) VALUES (?, ?, ?)');
    const missing = migrations.slice(applied.length);
    for (const { version, name, sql } of missing) {
      db.exec(sql);
      record.run(version, name, nowMs);
    }
    db.exec('COMMIT');
    return missing.map(({ version }) => version);
  } catch (error) {
    if (db.isTransaction) db.exec('ROLLBACK');
    throw error;
  }
}
