import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MeridianError } from '@meridian/protocol';
import { z } from 'zod';
import type { KeptFrame } from '../page/contract.ts';
import type { FrameQuality } from '../record/schema.ts';

/** A received picture and the same frame as it was sent. */
export interface FramePair {
  readonly sender: string;
  readonly receiver: string;
  readonly sent: KeptFrame;
  readonly received: KeptFrame;
}

/** WebCodecs' names of pixel formats by ffmpeg's. */
const PIXELS: Readonly<Record<string, string>> = {
  I420: 'yuv420p',
  NV12: 'nv12',
  BGRX: 'bgr0',
  BGRA: 'bgra',
  RGBX: 'rgb0',
  RGBA: 'rgba',
};

/** How Chromium turns a canvas into luma and chroma before it encodes it: the canvas is sRGB, which has BT.709's primaries. */
const MATRIX = 'bt709';

export interface Ffmpeg {
  readonly path: string;
  readonly version: string;
  readonly vmaf: boolean;
}

/** The ffmpeg on the PATH and what it can do; undefined where there is none. */
export async function findFfmpeg(path = process.env.MERIDIAN_LAB_FFMPEG ?? 'ffmpeg'): Promise<Ffmpeg | undefined> {
  try {
    const [version, filters] = [await run(path, ['-version']), await run(path, ['-hide_banner', '-filters'])];
    return {
      path,
      version: /^ffmpeg version (\S+)/.exec(version)?.[1] ?? 'unknown',
      vmaf: /\blibvmaf\b/.test(filters),
    };
  } catch {
    return undefined;
  }
}

/**
 * Compares pictures by ffmpeg: PSNR and SSIM of luma (and VMAF where ffmpeg has it). The received one is scaled to the size of
 * the sent one, as a viewer's screen would do; the sent one is turned into the received one's luma and chroma.
 * @throws MeridianError `config-invalid` with ffmpeg's words when it refuses
 */
export async function compareFrames(ffmpeg: Ffmpeg, pairs: readonly FramePair[]): Promise<FrameQuality[]> {
  const dir = await mkdtemp(join(tmpdir(), 'meridian-quality-'));
  try {
    const results: FrameQuality[] = [];
    // One call for all pictures of one size and format.
    const groups = Map.groupBy(pairs, ({ sent, received }) =>
      [sent, received].map(({ width, height, format, fullRange }) => [width, height, format, fullRange]).join(),
    );
    for (const group of groups.values()) results.push(...(await compareGroup(ffmpeg, group, dir)));
    return results;
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

async function compareGroup(ffmpeg: Ffmpeg, pairs: readonly FramePair[], dir: string): Promise<FrameQuality[]> {
  const [first] = pairs;
  if (first === undefined) return [];
  const write = async (name: string, pick: (pair: FramePair) => KeptFrame) => {
    const file = join(dir, name);
    await writeFile(file, Buffer.concat(pairs.map((pair) => Buffer.from(pick(pair).data, 'base64'))));
    return file;
  };
  const received = await write('received.raw', (pair) => pair.received);
  const sent = await write('sent.raw', (pair) => pair.sent);
  const input = (file: string, { width, height, format }: KeptFrame) => {
    const pixels = PIXELS[format];
    if (pixels === undefined)
      throw new MeridianError('config-invalid', { message: `pictures in ${format} cannot be compared` });
    return ['-f', 'rawvideo', '-pix_fmt', pixels, '-s', `${width}x${height}`, '-framerate', '1', '-i', file];
  };
  const { width, height } = first.sent;
  const range = first.received.fullRange ? 'full' : 'limited';
  const into = `out_color_matrix=${MATRIX}:out_range=${range},format=yuv420p`;
  const scaled = `scale=${width}:${height}:flags=bicubic:in_color_matrix=${MATRIX}:in_range=${range}:${into}`;
  const kinds = ffmpeg.vmaf ? ['psnr', 'ssim', 'vmaf'] : ['psnr', 'ssim'];
  const split = kinds.length;
  const labels = (letter: string) => kinds.map((_, index) => `[${letter}${index}]`).join('');
  const graph = [
    `[0:v]${scaled},split=${split}${labels('r')}`,
    `[1:v]scale=${into},split=${split}${labels('s')}`,
    `[r0][s0]psnr=stats_file=${join(dir, 'psnr.txt')}`,
    `[r1][s1]ssim=stats_file=${join(dir, 'ssim.txt')}`,
    ...(ffmpeg.vmaf ? [`[r2][s2]libvmaf=log_fmt=json:log_path=${join(dir, 'vmaf.json')}`] : []),
  ].join(';');
  await run(ffmpeg.path, [
    '-hide_banner',
    '-nostdin',
    '-loglevel',
    'error',
    '-threads',
    '1',
    ...input(received, first.received),
    ...input(sent, first.sent),
    '-filter_complex',
    graph,
    '-f',
    'null',
    '-',
  ]);
  const psnr = parsePsnr(await readFile(join(dir, 'psnr.txt'), 'utf8'));
  const ssim = parseSsim(await readFile(join(dir, 'ssim.txt'), 'utf8'));
  const vmaf = ffmpeg.vmaf ? parseVmaf(await readFile(join(dir, 'vmaf.json'), 'utf8')) : [];
  if (psnr.length !== pairs.length || ssim.length !== pairs.length) {
    throw new MeridianError('config-invalid', {
      message: `ffmpeg compared ${psnr.length} of ${pairs.length} pictures`,
    });
  }
  return pairs.map(({ sender, receiver, received: picture }, index) => ({
    type: 'quality',
    sender,
    receiver,
    frame: picture.frame,
    width: picture.width,
    height: picture.height,
    psnrDb: psnr[index] ?? null,
    ssim: ssim[index] ?? 0,
    vmaf: vmaf[index] ?? null,
  }));
}

/** Luma PSNR of each picture, dB; null where both are the same. */
export const parsePsnr = (text: string): (number | null)[] =>
  [...text.matchAll(/psnr_y:(\S+)/g)].map(([, value]) => (value === 'inf' ? null : Number(value)));

/** Luma SSIM of each picture. */
export const parseSsim = (text: string): number[] => [...text.matchAll(/ Y:(\S+)/g)].map(([, value]) => Number(value));

const VmafLog = z.object({ frames: z.array(z.object({ metrics: z.object({ vmaf: z.number() }) })) });
export const parseVmaf = (text: string): number[] =>
  VmafLog.parse(JSON.parse(text)).frames.map(({ metrics }) => metrics.vmaf);

async function run(path: string, args: readonly string[]): Promise<string> {
  const child = spawn(path, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let out = '';
  let complaint = '';
  child.stdout.on('data', (chunk: Buffer) => {
    out += chunk.toString();
  });
  child.stderr.on('data', (chunk: Buffer) => {
    complaint = (complaint + chunk.toString()).slice(-2_000);
  });
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  if (code !== 0) throw new MeridianError('config-invalid', { message: `${path} failed: ${complaint.trim()}` });
  return out;
}
