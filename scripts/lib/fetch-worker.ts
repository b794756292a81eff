/**
 * Fetches mediasoup's prebuilt worker for this machine: `fetch-worker.ts <mediasoup's package> <folder>`.
 * Says in one line on stdout why it could not (exit code 1); the caller builds the worker then.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { arch, platform, release } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';

/** Until the first byte of the answer: a machine without a way to GitHub should not wait long. */
const answerWithinMs = 5_000;
/** For the whole file, a few megabytes; on a slower line building takes no longer. */
const finishWithinMs = 60_000;

/** The name of the release's file, as mediasoup's own installer makes it. */
function assetUrl(packageDir: string): string {
  const manifest = JSON.parse(readFileSync(join(packageDir, 'package.json'), 'utf8')) as {
    version: string;
    repository: { url: string };
  };
  const base =
    process.env.MEDIASOUP_WORKER_PREBUILT_DOWNLOAD_BASE_URL ??
    `${manifest.repository.url.replace(/^git\+/, '').replace(/\.git$/, '')}/releases/download`;
  const kernel = platform() === 'linux' ? `-kernel${release().split('.')[0]}` : '';
  return `${base}/${manifest.version}/mediasoup-worker-${manifest.version}-${platform()}-${arch()}${kernel}.tgz`;
}

async function fetchWorker(packageDir: string, folder: string): Promise<void> {
  const url = assetUrl(packageDir);
  const giveUp = new AbortController();
  const answer = setTimeout(
    () => giveUp.abort(new Error(`no answer within ${answerWithinMs / 1_000} s`)),
    answerWithinMs,
  );
  const finish = setTimeout(
    () => giveUp.abort(new Error(`not complete within ${finishWithinMs / 1_000} s`)),
    finishWithinMs,
  );
  try {
    const response = await fetch(url, { signal: giveUp.signal });
    clearTimeout(answer);
    if (response.status === 404) throw new Error(`mediasoup has none for ${platform()}-${arch()}`);
    if (!response.ok || response.body === null) throw new Error(`the answer was ${response.status}`);
    const tar = spawn('tar', ['-xz', '-C', folder, 'mediasoup-worker'], { stdio: ['pipe', 'ignore', 'ignore'] });
    const [, [code]] = await Promise.all([pipeline(Readable.fromWeb(response.body), tar.stdin), once(tar, 'exit')]);
    if (code !== 0) throw new Error('it could not be unpacked');
  } catch (error) {
    const reason = giveUp.signal.aborted ? giveUp.signal.reason : error;
    const cause = reason instanceof Error && reason.cause instanceof Error ? `: ${reason.cause.message}` : '';
    throw new Error(
      `the prebuilt one could not be had from ${new URL(url).host} (${reason instanceof Error ? reason.message : String(reason)}${cause})`,
    );
  } finally {
    clearTimeout(answer);
    clearTimeout(finish);
  }
}

const [packageDir, folder] = process.argv.slice(2);
if (packageDir === undefined || folder === undefined) {
  console.log('fetch-worker.ts was called without its two arguments');
  process.exit(1);
}
try {
  await fetchWorker(packageDir, folder);
} catch (error) {
  console.log(error instanceof Error ? error.message : String(error));
  process.exit(1);
}
