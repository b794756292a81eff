import { MeridianError, type UserId } from '@meridian/protocol';
import { emailKey } from '../email-key.ts';
import type { User, Users } from '../ports.ts';
import { checked, storedIfAny, UserRecord } from '../records.ts';
import type { MongoConnection, UserDocument } from './connection.ts';
import { isDuplicateKey } from './errors.ts';

const AFTER = { returnDocument: 'after' } as const;

export class MongoUsers implements Users {
  readonly #db: MongoConnection;

  constructor(db: MongoConnection) {
    this.#db = db;
  }

  async create(user: User): Promise<void> {
    const { userId, ...rest } = checked(UserRecord, user, 'user');
    const key = emailKey(rest.email);
    await this.#db.run(async () => {
      try {
        await this.#db.users.insertOne({ _id: userId, ...rest, emailKey: key });
      } catch (thrown) {
        // The answer does not say on every server which index refused: the address or the id.
        if (isDuplicateKey(thrown) && (await this.#db.users.findOne({ emailKey: key, _id: { $ne: userId } }))) {
          throw new MeridianError('email-taken', { cause: thrown });
        }
        throw thrown;
      }
    });
  }

  find(userId: UserId): Promise<User | undefined> {
    return this.#one(() => this.#db.users.findOne({ _id: userId }));
  }

  findByEmail(email: string): Promise<User | undefined> {
    return this.#one(() => this.#db.users.findOne({ emailKey: emailKey(email) }));
  }

  async rename(userId: UserId, name: string): Promise<User | undefined> {
    const $set = { name: checked(UserRecord.shape.name, name, 'name') };
    return await this.#one(async () => {
      await this.#db.members.updateMany({ userId }, { $set });
      return await this.#db.users.findOneAndUpdate({ _id: userId }, { $set }, AFTER);
    });
  }

  async changePassword(userId: UserId, passwordHash: string): Promise<User | undefined> {
    const $set = { passwordHash: checked(UserRecord.shape.passwordHash, passwordHash, 'password hash') };
    return await this.#one(() =>
      this.#db.users.findOneAndUpdate({ _id: userId }, { $set, $inc: { tokenVersion: 1 } }, AFTER),
    );
  }

  async rehash(userId: UserId, expected: string, passwordHash: string): Promise<boolean> {
    const $set = { passwordHash: checked(UserRecord.shape.passwordHash, passwordHash, 'password hash') };
    const result = await this.#db.run(() =>
      this.#db.users.updateOne({ _id: userId, passwordHash: expected }, { $set }),
    );
    return result.matchedCount === 1;
  }

  raiseTokenVersion(userId: UserId): Promise<User | undefined> {
    return this.#one(() => this.#db.users.findOneAndUpdate({ _id: userId }, { $inc: { tokenVersion: 1 } }, AFTER));
  }

  async #one(read: () => Promise<UserDocument | null>): Promise<User | undefined> {
    const found = await this.#db.run(read);
    return storedIfAny(UserRecord, found && { ...found, userId: found._id }, 'user');
  }
}
