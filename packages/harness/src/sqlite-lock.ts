import { spawn } from 'node:child_process';

const HOLD = `
const { DatabaseSync } = require('node:sqlite');
new DatabaseSync(process.argv[1]).exec('PRAGMA busy_timeout = 5000; BEGIN EXCLUSIVE');
process.stdout.write('locked');
process.stdin.resume().on('end', () => process.exit(0));
`;

/**
 * Another process takes an SQLite file for itself alone, as a stuck backup would, until `unlock`.
 * @throws Error when it does not get it
 */
export async function lockSqlite(path: string): Promise<{ unlock(): Promise<void> }> {
  const child = spawn(process.execPath, ['-e', HOLD, path], { stdio: ['pipe', 'pipe', 'ignore'] });
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  await new Promise<void>((resolve, reject) => {
    child.stdout.once('data', () => resolve());
    child.once('error', reject);
    void ended.then(() => reject(new Error(`${path} could not be locked`)));
  });
  return {
    async unlock() {
      child.stdin.end();
      await ended;
    },
  };
}
