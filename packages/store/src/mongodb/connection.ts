import { MeridianError } from '@meridian/protocol';
import { type Collection, type Db, type Document, type Filter, MongoClient, MongoParseError } from 'mongodb';
import { fromMongo, isRefusedLogin, storeUnavailable } from './errors.ts';

/** What the collections hold. Reads are checked by records.ts all the same. */
export interface UserDocument {
  readonly _id: string;
  readonly email: string;
  /** See email-key.ts. */
  readonly emailKey: string;
  readonly name: string;
  readonly passwordHash: string;
  readonly tokenVersion: number;
  readonly createdAtMs: number;
}

export interface RoomDocument {
  readonly _id: string;
  readonly slug: string;
  readonly title: string;
  readonly ownerId: string;
  readonly visibility: string;
  readonly duplicates: string;
  readonly capacity: number;
  readonly createdAtMs: number;
  /** The room is gone for everybody; what belongs to it is being removed. */
  readonly deleting: boolean;
}

export interface MemberDocument {
  readonly roomId: string;
  readonly userId: string;
  readonly name: string;
  readonly joinedAtMs: number;
}

export interface ExpulsionDocument {
  readonly roomId: string;
  readonly userId: string;
  readonly expelledAtMs: number;
}

export interface InvitationDocument {
  readonly _id: string;
  readonly roomId: string;
  readonly invitedBy: string;
  readonly createdAtMs: number;
  /** A date, since a TTL index counts nothing else. */
  readonly expiresAt: Date;
}

export interface MessageDocument {
  readonly roomId: string;
  readonly id: string;
  readonly sessionId: string;
  readonly userId: string;
  readonly name: string;
  readonly text: string;
  readonly sentAtMs: number;
}

const DEFAULT_DATABASE = 'meridian';
const REMOVED_AT_ONCE = 2_000;

/** Does the URL name a database? It may name several hosts, so it is no URL to `new URL`. */
const namesDatabase = (url: string): boolean => /^mongodb(?:\+srv)?:\/\/[^/?]+\/[^?]/.test(url);

/** The driver's sentence may repeat the whole URL with its password: only a harmless one is passed on. */
function problemOf(thrown: unknown): string {
  const harmless = /^options? [a-z, ]+ (?:is|are) not supported$/i;
  return thrown instanceof MongoParseError && harmless.test(thrown.message) ? thrown.message : 'it cannot be parsed';
}

/** `mongodb+srv://` finds the servers through DNS. */
function isFailedLookup(thrown: unknown): boolean {
  return thrown instanceof Error && 'syscall' in thrown && /^query(?:Srv|Txt)$/.test(String(thrown.syscall));
}

/** One client with its pool of connections. The driver reconnects by itself. */
export class MongoConnection {
  readonly users: Collection<UserDocument>;
  readonly rooms: Collection<RoomDocument>;
  readonly members: Collection<MemberDocument>;
  readonly expulsions: Collection<ExpulsionDocument>;
  readonly invitations: Collection<InvitationDocument>;
  readonly messages: Collection<MessageDocument>;
  readonly #client: MongoClient;
  readonly #db: Db;
  readonly #operationTimeoutMs: number;
  #closing: Promise<void> | undefined;

  private constructor(client: MongoClient, db: Db, operationTimeoutMs: number) {
    this.#client = client;
    this.#db = db;
    this.#operationTimeoutMs = operationTimeoutMs;
    this.users = db.collection('users');
    this.rooms = db.collection('rooms');
    this.members = db.collection('members');
    this.expulsions = db.collection('expulsions');
    this.invitations = db.collection('invitations');
    this.messages = db.collection('messages');
  }

  /**
   * Connects. Reads and, where the server can tell a repeated write from a new one (replica sets),
   * writes are tried a second time by the driver.
   * @throws MeridianError `config-invalid` (the URL or the login), `store-unavailable`
   */
  static async open(
    url: string,
    options: { serverSelectionTimeoutMs: number; operationTimeoutMs: number },
  ): Promise<MongoConnection> {
    let client: MongoClient;
    try {
      client = new MongoClient(url, {
        appName: 'meridian',
        serverSelectionTimeoutMS: options.serverSelectionTimeoutMs,
        connectTimeoutMS: options.serverSelectionTimeoutMs,
        waitQueueTimeoutMS: options.operationTimeoutMs,
        socketTimeoutMS: options.operationTimeoutMs,
        retryReads: true,
        retryWrites: true,
      });
    } catch (thrown) {
      throw new MeridianError('config-invalid', { message: `the store's MongoDB URL is wrong: ${problemOf(thrown)}` });
    }
    try {
      await client.connect();
      const db = client.db(namesDatabase(url) ? undefined : DEFAULT_DATABASE);
      await db.command({ ping: 1 });
      return new MongoConnection(client, db, options.operationTimeoutMs);
    } catch (thrown) {
      await client.close();
      if (isRefusedLogin(thrown)) {
        throw new MeridianError('config-invalid', {
          message: 'MongoDB refused the login of the store; check the user and the password in its URL',
          cause: thrown,
        });
      }
      throw isFailedLookup(thrown) ? storeUnavailable(thrown, 'the servers cannot be looked up') : fromMongo(thrown);
    }
  }

  /**
   * Runs operations under the deadline and puts their errors into the store's words. A write whose
   * deadline passed may still have happened.
   * @throws MeridianError `closed`, `store-unavailable`, `internal`
   */
  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#closing) throw new MeridianError('closed', { message: 'the store is closed' });
    let timer: NodeJS.Timeout | undefined;
    const deadline = new Promise<never>((_, reject) => {
      timer = setTimeout(
        () => reject(storeUnavailable(undefined, `no answer within ${this.#operationTimeoutMs} ms`)),
        this.#operationTimeoutMs,
      );
    });
    try {
      return await Promise.race([work(), deadline]);
    } catch (thrown) {
      throw fromMongo(thrown);
    } finally {
      clearTimeout(timer);
    }
  }

  /**
   * Removes what matches in steps that each fit into the deadline, however much there is.
   * @returns how many documents were removed.
   */
  async removeAll<T extends Document>(collection: Collection<T>, filter: Filter<T>): Promise<number> {
    for (let removed = 0; ; ) {
      const step = await this.run(async () => {
        const found = await collection
          .find(filter, { projection: { _id: 1 } })
          .limit(REMOVED_AT_ONCE)
          .toArray();
        const ids: Filter<Document> = { _id: { $in: found.map(({ _id }) => _id) } };
        const { deletedCount } = await this.#db.collection(collection.collectionName).deleteMany(ids);
        return { found: found.length, deletedCount };
      });
      removed += step.deletedCount;
      if (step.found < REMOVED_AT_ONCE) return removed;
    }
  }

  ping(): Promise<void> {
    return this.run(async () => {
      await this.#db.command({ ping: 1 });
    });
  }

  /** Idempotent. Operations that are under way fail with `closed`. */
  close(): Promise<void> {
    this.#closing ??= this.#client.close();
    return this.#closing;
  }
}
