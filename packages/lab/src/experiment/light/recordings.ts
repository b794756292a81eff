import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { bitrateInOneLayer } from '@meridian/client/camera-layers';
import { MeridianError } from '@meridian/protocol';
import { type Recording, readAudio, readVideo } from '../../load/media/recorded.ts';
import { findFfmpeg } from '../measure/quality.ts';
import type { VideoSent } from '../scenario/schema.ts';

const run = promisify(execFile);

/** It is played again and again. */
const LENGTH_S = 10;
/** Whoever asks for a key frame gets the next one there is. */
const KEY_FRAME_EVERY_S = 1;
const AUDIO_KBPS = 32;

type Size = Pick<VideoSent, 'width' | 'height' | 'fps'>;

/** What light peers play: made once by ffmpeg, in the sizes that are asked for. */
export class Recordings {
  readonly #made = new Map<string, Promise<Recording>>();

  /** @throws MeridianError `config-invalid` without an ffmpeg that knows VP8 */
  video({ width, height, fps }: Size): Promise<Recording> {
    const kbps = bitrateInOneLayer(Math.min(width, height)) / 1_000;
    return this.#once(`${width}x${height} ${fps}`, readVideo, [
      ...['-f', 'lavfi', '-i', `testsrc2=size=${width}x${height}:rate=${fps}`, '-t', String(LENGTH_S)],
      ...['-c:v', 'libvpx', '-deadline', 'realtime', '-cpu-used', '8', '-pix_fmt', 'yuv420p'],
      // As many bits as were asked for, whatever the picture is worth.
      ...['-b:v', `${kbps}k`, '-minrate', `${kbps}k`, '-maxrate', `${kbps}k`, '-bufsize', `${kbps}k`],
      ...['-g', String(Math.max(1, Math.round(fps * KEY_FRAME_EVERY_S))), '-f', 'ivf'],
    ]);
  }

  /** @throws MeridianError `config-invalid` without an ffmpeg that knows Opus */
  audio(): Promise<Recording> {
    return this.#once('audio', readAudio, [
      ...['-f', 'lavfi', '-i', 'anoisesrc=color=pink:amplitude=0.1:sample_rate=48000', '-t', String(LENGTH_S)],
      ...['-ac', '1', '-c:a', 'libopus', '-b:a', `${AUDIO_KBPS}k`, '-vbr', 'off', '-f', 'ogg'],
    ]);
  }

  #once(name: string, read: (file: string) => Promise<Recording>, args: readonly string[]): Promise<Recording> {
    let made = this.#made.get(name);
    if (made === undefined) {
      made = make(read, args);
      made.catch(() => this.#made.delete(name));
      this.#made.set(name, made);
    }
    return made;
  }
}

async function make(read: (file: string) => Promise<Recording>, args: readonly string[]): Promise<Recording> {
  const ffmpeg = await findFfmpeg();
  if (ffmpeg === undefined) {
    throw new MeridianError('config-invalid', {
      message: 'what light peers play is made by ffmpeg, which is not there: apt-get install ffmpeg',
    });
  }
  const dir = await mkdtemp(join(tmpdir(), 'meridian-light-'));
  try {
    const file = join(dir, 'recording');
    await run(ffmpeg.path, ['-hide_banner', '-loglevel', 'error', '-y', ...args, file]);
    return await read(file);
  } catch (cause) {
    throw new MeridianError('config-invalid', { message: `ffmpeg made no recording: ${String(cause)}`, cause });
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}
