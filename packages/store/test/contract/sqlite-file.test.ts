import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openStore } from '../../src/index.ts';
import { MIGRATIONS, type Migration, migrate } from '../../src/sqlite/migrations.ts';
import { aMember, aRoom, aUser } from '../builders.ts';

describe('the file of a SQLite store', () => {
  let folder: string;
  let path: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'meridian-sqlite-'));
    path = join(folder, 'store.db');
  });
  afterEach(() => rm(folder, { recursive: true }));

  const look = <T>(job: (db: DatabaseSync) => T): T => {
    const db = new DatabaseSync(path);
    try {
      return job(db);
    } finally {
      db.close();
    }
  };

  it('is in WAL mode and records each migration with its time', async () => {
    const store = await openStore(`sqlite:${path}`, { now: () => 1_750_000_000_123 });
    await store.close();
    look((db) => {
      expect(db.prepare('PRAGMA journal_mode').get()).toMatchObject({ journal_mode: 'wal' });
      expect(
        db
          .prepare('SELECT * FROM schema_migrations')
          .all()
          .map((row) => ({ ...row })),
      ).toEqual(MIGRATIONS.map(({ version, name }) => ({ version, name, applied_at_ms: 1_750_000_000_123 })));
    });
  });

  it('gets each migration once, in order, and what comes new at the next start', () => {
    const [first, second, third] = [1, 2, 3].map(
      (version): Migration => ({ version, name: `step ${version}`, sql: `CREATE TABLE t${version} (x) ` }),
    );
    if (!first || !second || !third) throw new Error('three migrations were made');
    look((db) => {
      expect(migrate(db, 1, [first, second])).toEqual([1, 2]);
      expect(migrate(db, 2, [first, second])).toEqual([]);
      expect(migrate(db, 3, [first, second, third])).toEqual([3]);
      expect(
        db
          .prepare('SELECT version, applied_at_ms FROM schema_migrations')
          .all()
          .map((row) => ({ ...row })),
      ).toEqual([
        { version: 1, applied_at_ms: 1 },
        { version: 2, applied_at_ms: 1 },
        { version: 3, applied_at_ms: 3 },
      ]);
    });
  });

  it('of an earlier version keeps its data and gets the expulsions', async () => {
    const [room, member] = [aRoom(), aMember()];
    look((db) => {
      migrate(db, 1, MIGRATIONS.slice(0, 1));
      db.prepare('INSERT INTO rooms VALUES (?, ?, ?, ?, ?, ?, ?, ?)').run(
        room.roomId,
        room.slug,
        room.title,
        room.ownerId,
        room.visibility,
        room.duplicates,
        room.capacity,
        room.createdAtMs,
      );
    });
    const store = await openStore(`sqlite:${path}`);
    expect(await store.rooms.find(room.roomId)).toEqual(room);
    await store.rooms.addMember(room.roomId, member, 1_000);
    expect(await store.rooms.expelMember(room.roomId, member.userId, 2_000)).toBe(true);
    await store.close();
  });

  it('is as it was before when a migration fails', () => {
    const good: Migration = { version: 1, name: 'good', sql: 'CREATE TABLE good (x)' };
    const bad: Migration = { version: 2, name: 'bad', sql: 'CREATE TABLE half (x); CREATE TABLE good (x)' };
    look((db) => {
      expect(() => migrate(db, 1, [good, bad])).toThrow('good already exists');
      expect(db.prepare("SELECT name FROM sqlite_master WHERE type = 'table'").all()).toEqual([]);
    });
  });

  it('is refused when a newer version wrote it', async () => {
    await (await openStore(`sqlite:${path}`)).close();
    look((db) => db.exec("INSERT INTO schema_migrations VALUES (999, 'from the future', 0)"));
    await expect(openStore(`sqlite:${path}`)).rejects.toMatchObject({
      code: 'config-invalid',
      message: expect.stringContaining('from the future'),
    });
  });

  it('is refused when it is no database', async () => {
    const { writeFile } = await import('node:fs/promises');
    await writeFile(path, 'this is a text, and a long one, so that it has more than the size of a header '.repeat(4));
    await expect(openStore(`sqlite:${path}`)).rejects.toMatchObject({
      code: 'config-invalid',
      message: expect.stringContaining('not a database'),
    });
  });

  it('that another process holds for writing gives store-unavailable, and works again when it is let go', async () => {
    const store = await openStore(`sqlite:${path}`, { busyTimeoutMs: 20 });
    const user = aUser();
    await store.users.create(user);
    const other = new DatabaseSync(path);
    other.exec('BEGIN IMMEDIATE');
    const write = store.users.rename(user.userId, 'Grace');
    await expect(write).rejects.toMatchObject({
      code: 'store-unavailable',
      status: 503,
      retryAfterMs: expect.any(Number),
    });
    expect(await store.users.find(user.userId)).toEqual(user);
    other.exec('ROLLBACK');
    other.close();
    expect(await store.users.rename(user.userId, 'Grace')).toEqual({ ...user, name: 'Grace' });
    await store.close();
  });

  it('that another process holds alone does not open for now', async () => {
    await (await openStore(`sqlite:${path}`)).close();
    const other = new DatabaseSync(path);
    other.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN IMMEDIATE; CREATE TABLE x (y); COMMIT');
    const opening = openStore(`sqlite:${path}`, { busyTimeoutMs: 20 });
    await expect(opening).rejects.toMatchObject({ code: 'store-unavailable' });
    other.close();
    await (await openStore(`sqlite:${path}`)).close();
  });

  it('with a record in it that is none gives an internal error that names the field, not its value', async () => {
    const store = await openStore(`sqlite:${path}`);
    const user = aUser();
    const room = aRoom();
    await store.users.create(user);
    await store.rooms.create(room);
    await store.rooms.addMember(room.roomId, aMember());
    look((db) => {
      db.exec("UPDATE users SET name = 'line' || char(10) || 'break'");
      db.exec("UPDATE rooms SET slug = 'Not A Slug'");
      db.exec('UPDATE members SET joined_at_ms = -1');
    });
    const broken = store.users.find(user.userId);
    await expect(broken).rejects.toMatchObject({ code: 'internal', message: expect.stringContaining('name') });
    await expect(broken).rejects.not.toMatchObject({ message: expect.stringContaining('line') });
    await expect(store.rooms.find(room.roomId)).rejects.toMatchObject({ code: 'internal' });
    await expect(store.rooms.members(room.roomId)).rejects.toMatchObject({ code: 'internal' });
    await store.close();
  });
});
