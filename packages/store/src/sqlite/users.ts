import { MeridianError, type UserId } from '@meridian/protocol';
import { emailKey } from '../email-key.ts';
import type { User, Users } from '../ports.ts';
import { checked, storedIfAny, UserRecord } from '../records.ts';
import type { SqliteConnection } from './connection.ts';
import { isUniqueViolation } from './errors.ts';

const COLUMNS = `user_id AS userId, email, name, password_hash AS passwordHash, token_version AS tokenVersion,
  created_at_ms AS createdAtMs`;

const prepare = (db: SqliteConnection) => ({
  create: db.prepare(
    `INSERT INTO users (user_id, email, email_key, name, password_hash, token_version, created_at_ms)
     VALUES (:userId, :email, :emailKey, :name, :passwordHash, :tokenVersion, :createdAtMs)`,
  ),
  find: db.prepare(`SELECT ${COLUMNS} FROM users WHERE user_id = ?`),
  findByEmail: db.prepare(`SELECT ${COLUMNS} FROM users WHERE email_key = ?`),
  rename: db.prepare(`UPDATE users SET name = :name WHERE user_id = :userId RETURNING ${COLUMNS}`),
  renameMember: db.prepare('UPDATE members SET name = :name WHERE user_id = :userId'),
  changePassword: db.prepare(
    `UPDATE users SET password_hash = :passwordHash, token_version = token_version + 1 WHERE user_id = :userId
     RETURNING ${COLUMNS}`,
  ),
  rehash: db.prepare(
    'UPDATE users SET password_hash = :passwordHash WHERE user_id = :userId AND password_hash = :expected',
  ),
  raiseTokenVersion: db.prepare(
    `UPDATE users SET token_version = token_version + 1 WHERE user_id = ? RETURNING ${COLUMNS}`,
  ),
});

export class SqliteUsers implements Users {
  readonly #db: SqliteConnection;
  readonly #sql: ReturnType<typeof prepare>;

  constructor(db: SqliteConnection) {
    this.#db = db;
    this.#sql = prepare(db);
  }

  async create(user: User): Promise<void> {
    const record = checked(UserRecord, user, 'user');
    this.#db.run(() => {
      try {
        this.#sql.create.run({ ...record, emailKey: emailKey(record.email) });
      } catch (thrown) {
        if (isUniqueViolation(thrown, 'users.email_key')) throw new MeridianError('email-taken', { cause: thrown });
        throw thrown;
      }
    });
  }

  async find(userId: UserId): Promise<User | undefined> {
    return this.#one(() => this.#sql.find.get(userId));
  }

  async findByEmail(email: string): Promise<User | undefined> {
    return this.#one(() => this.#sql.findByEmail.get(emailKey(email)));
  }

  async rename(userId: UserId, name: string): Promise<User | undefined> {
    const change = { userId, name: checked(UserRecord.shape.name, name, 'name') };
    const row = this.#db.transaction(() => {
      this.#sql.renameMember.run(change);
      return this.#sql.rename.get(change);
    });
    return storedIfAny(UserRecord, row, 'user');
  }

  async changePassword(userId: UserId, passwordHash: string): Promise<User | undefined> {
    const hash = checked(UserRecord.shape.passwordHash, passwordHash, 'password hash');
    return this.#one(() => this.#sql.changePassword.get({ userId, passwordHash: hash }));
  }

  async rehash(userId: UserId, expected: string, passwordHash: string): Promise<boolean> {
    const hash = checked(UserRecord.shape.passwordHash, passwordHash, 'password hash');
    return this.#db.run(() => this.#sql.rehash.run({ userId, expected, passwordHash: hash }).changes === 1);
  }

  async raiseTokenVersion(userId: UserId): Promise<User | undefined> {
    return this.#one(() => this.#sql.raiseTokenVersion.get(userId));
  }

  #one(read: () => unknown): User | undefined {
    return storedIfAny(UserRecord, this.#db.run(read), 'user');
  }
}
