import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { mongoDatabaseUrl, mongoSource, startMongo } from '../../src/index.ts';

describe('where a MongoDB server for tests comes from', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'meridian-mongo-source-'));
  });
  afterEach(() => rm(folder, { recursive: true }));

  /** A cache folder with FerretDB in it, named after the version that the build script has. */
  const withFerretdb = async () => {
    const script = await readFile(
      fileURLToPath(new URL('../../../../scripts/lib/mongodb.sh', import.meta.url)),
      'utf8',
    );
    const version = /^version=(\S+)$/m.exec(script)?.[1];
    const home = join(folder, `ferretdb-${version}`);
    await mkdir(home, { recursive: true });
    await writeFile(join(home, 'ferretdb'), '');
    return { path: join(home, 'ferretdb'), env: { MEDIASOUP_WORKER_CACHE: folder } };
  };
  const withMongod = async () => {
    await mkdir(join(folder, 'bin'));
    await writeFile(join(folder, 'bin/mongod'), '');
    return { path: join(folder, 'bin/mongod'), env: { PATH: `/nowhere:${join(folder, 'bin')}` } };
  };

  it('is MONGODB_URL before anything else', async () => {
    const { env } = await withMongod();
    const url = 'mongodb://db.example';
    expect(mongoSource({ ...env, MONGODB_URL: url })).toEqual({ kind: 'url', url });
  });

  it('is mongod on the PATH before FerretDB', async () => {
    const mongod = await withMongod();
    const ferretdb = await withFerretdb();
    expect(mongoSource({ ...mongod.env, ...ferretdb.env })).toEqual({ kind: 'mongod', path: mongod.path });
  });

  it('is the FerretDB of the version that scripts/lib/mongodb.sh builds, in the same cache folder', async () => {
    const { env, path } = await withFerretdb();
    expect(mongoSource(env)).toEqual({ kind: 'ferretdb', path });
  });

  it('is never MONGODB_URL when a process of its own is asked for', async () => {
    const { env, path } = await withFerretdb();
    const source = mongoSource({ ...env, MONGODB_URL: 'mongodb://db.example' }, { ownProcess: true });
    expect(source).toEqual({ kind: 'ferretdb', path });
  });

  it('names the script to run when there is none', async () => {
    await expect(startMongo({ env: { MEDIASOUP_WORKER_CACHE: folder } })).rejects.toThrow('scripts/lib/mongodb.sh');
  });
});

describe('a database name in a MongoDB URL', () => {
  it.each([
    ['mongodb://127.0.0.1:27017', 'mongodb://127.0.0.1:27017/calls'],
    ['mongodb://127.0.0.1:27017/', 'mongodb://127.0.0.1:27017/calls'],
    ['mongodb://a:1,b:2/other?replicaSet=rs0', 'mongodb://a:1,b:2/calls?replicaSet=rs0'],
    ['mongodb+srv://user:p%40ss@db.example?w=majority', 'mongodb+srv://user:p%40ss@db.example/calls?w=majority'],
  ])('%s becomes %s', (url, expected) => {
    expect(mongoDatabaseUrl(url, 'calls')).toBe(expected);
  });

  it('refuses what is no MongoDB URL', () => {
    expect(() => mongoDatabaseUrl('redis://127.0.0.1', 'calls')).toThrow('no MongoDB URL');
  });
});
