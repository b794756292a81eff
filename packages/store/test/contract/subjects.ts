import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type MongoServer, startMongo } from '@meridian/harness';
import { type Db, MongoClient } from 'mongodb';
import { openStore, type Store, type StoreOptions } from '../../src/index.ts';
import type { Database, Subject } from './subject.ts';

function database(url: string, drop: () => Promise<void>, updatesNotAtomic?: string): Database {
  const opened: Store[] = [];
  return {
    url,
    updatesNotAtomic,
    async open(options?: StoreOptions) {
      const store = await openStore(url, options);
      opened.push(store);
      return store;
    },
    async remove() {
      await Promise.all(opened.map((store) => store.close()));
      await drop();
    },
  };
}

export const sqlite: Subject = {
  name: 'sqlite',
  async create() {
    const folder = await mkdtemp(join(tmpdir(), 'meridian-store-'));
    return database(`sqlite:${join(folder, 'data', 'store.db')}`, () => rm(folder, { recursive: true }));
  },
};

/** Runs a job with a client of its own: looks and changes that the store has no words for. */
export async function withDriver<T>(url: string, job: (db: Db) => Promise<T>): Promise<T> {
  const client = new MongoClient(url);
  try {
    return await job(client.db());
  } finally {
    await client.close();
  }
}

/** FerretDB says its own version besides the one of MongoDB that it stands for. */
export const isFerretdb = (url: string): Promise<boolean> =>
  withDriver(url, async (db) => 'ferretdbVersion' in (await db.command({ buildInfo: 1 })));

export async function mongoDatabase(server: MongoServer): Promise<Database> {
  const url = server.database(`meridian_test_${randomUUID().replaceAll('-', '')}`);
  const drop = async () => {
    await withDriver(url, (db) => db.dropDatabase());
  };
  const updatesNotAtomic = (await isFerretdb(url))
    ? 'FerretDB 1.x reads and writes a document in two steps; MongoDB updates it in one'
    : undefined;
  return database(url, drop, updatesNotAtomic);
}

/** A server over the wire: `MONGODB_URL`, mongod, or FerretDB (scripts/lib/mongodb.sh). */
export const mongodb: Subject = {
  name: 'mongodb',
  async create() {
    const server = await startMongo();
    const data = await mongoDatabase(server);
    return {
      ...data,
      async remove() {
        await data.remove();
        await server.stop();
      },
    };
  },
};

export const SUBJECTS: readonly Subject[] = [sqlite, mongodb];
