import { DatabaseSync } from 'node:sqlite';
import { MeridianError } from '@meridian/protocol';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fromSqlite, isForeignKeyViolation, isUniqueViolation } from '../../src/sqlite/errors.ts';

describe('what node:sqlite throws', () => {
  let db: DatabaseSync;
  beforeEach(() => {
    db = new DatabaseSync(':memory:');
    db.exec('CREATE TABLE a (id TEXT PRIMARY KEY, one TEXT UNIQUE, two TEXT UNIQUE) STRICT');
    db.exec('CREATE TABLE b (a TEXT REFERENCES a (id)) STRICT');
    db.exec("INSERT INTO a VALUES ('1', 'x', 'y')");
  });
  afterEach(() => db.close());

  const thrownBy = (sql: string): unknown => {
    try {
      db.exec(sql);
    } catch (error) {
      return error;
    }
    throw new Error(`nothing was thrown by ${sql}`);
  };

  it('names the unique column that refused', () => {
    const thrown = thrownBy("INSERT INTO a VALUES ('2', 'x', 'z')");
    expect(isUniqueViolation(thrown, 'a.one')).toBe(true);
    expect(isUniqueViolation(thrown, 'a.two')).toBe(false);
    expect(isForeignKeyViolation(thrown)).toBe(false);
  });

  it('does not take a known primary key for a unique column', () => {
    expect(isUniqueViolation(thrownBy("INSERT INTO a VALUES ('1', 'p', 'q')"), 'a.one')).toBe(false);
  });

  it('says when what is referred to is not there', () => {
    const thrown = thrownBy("INSERT INTO b VALUES ('9')");
    expect(isForeignKeyViolation(thrown)).toBe(true);
    expect(isUniqueViolation(thrown, 'a.one')).toBe(false);
  });

  it('is store-unavailable when the disk is full', () => {
    db.exec('PRAGMA max_page_count = 10; CREATE TABLE filler (x TEXT)');
    const thrown = thrownBy('INSERT INTO filler VALUES (hex(randomblob(100000)))');
    expect(fromSqlite(thrown)).toMatchObject({
      code: 'store-unavailable',
      status: 503,
      retryAfterMs: expect.any(Number),
      details: { problem: 'disk full' },
    });
  });

  it('is store-unavailable when the file cannot be written', () => {
    db.exec('PRAGMA query_only = ON');
    expect(fromSqlite(thrownBy("INSERT INTO b VALUES ('1')"))).toMatchObject({ details: { problem: 'read-only' } });
  });

  it('is internal when the statement is wrong, and keeps its cause', () => {
    const thrown = thrownBy('SELECT nothing FROM nowhere');
    expect(fromSqlite(thrown)).toMatchObject({ code: 'internal', cause: thrown });
  });

  it('stays what it is when it is a MeridianError', () => {
    const error = new MeridianError('email-taken');
    expect(fromSqlite(error)).toBe(error);
  });
});
