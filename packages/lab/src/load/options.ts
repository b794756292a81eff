import { parseArgs } from 'node:util';
import { MeridianError } from '@meridian/protocol';
import type { MediaPlan } from './generator/contract.ts';
import { type Limits, USUAL_LIMITS } from './knee/criteria.ts';
import type { SearchRange } from './knee/search.ts';
import type { Layout } from './seats.ts';
import type { LocalTargetOptions, RemoteTargetOptions } from './target.ts';

export const HELP = `pnpm lab load [options]
  Light WebRTC participants (real ICE, DTLS, SRTP) in rooms over the nodes: how joins and media fare, what it costs.
Who
  --participants N     (12)  joined at --ramp N per second (2)
  --rooms N            they are dealt out to; or --per-room N (4): one room is filled after the other
  --publishers N       of each room that publish (all); the others only receive
  --receive N          streams that each receives at most (all)
  --together           all of a room at one node: nothing is relayed
What they send
  --publish KINDS      audio,video (both), audio, or video
  --video-kbps N (500) --fps N (25) --packet-bytes N (1200) --key-frame-every S (10) --audio-kbps N (40)
  --video-file F.ivf   recorded VP8 instead of generated frames; --audio-file F.opus  recorded Opus (Ogg)
How long
  --seconds S          measured after everybody is in (20), --settle S after the last join (3)
Where
  --nodes N            of a cluster started for it on this machine (1 to 3; 3), --workers N per node (1)
  --url URL            a cluster that runs already; then
  --metrics URL,URL    its nodes, whose /metrics are read (bearer token: MERIDIAN_METRICS_TOKEN), or --prometheus URL
  --regions a,b        that are forced, which the service has to allow; without it places people itself
Search
  --find-knee          raise the load until something breaks, then halve the gap. From --from N to --to N participants
                       (one room; 1000), precise to --step N (one room)
  --max-loss % (0.5)   --max-join-ms N (2000, 95 %)   --max-cpu % (85)   --max-latency-ms N (100, 99 %)
Other
  --generators N       processes of participants (one per core), whose CPU is told apart
  --out FILE           raw data, JSON lines (.data/load/<time>.jsonl)
Ctrl-C keeps what was measured. Exit code: 0; 1 when joins failed or media was missing (with --find-knee: no level
held); 2 for a wrong option.`;

export type Where =
  | ({ readonly kind: 'local' } & LocalTargetOptions)
  | ({ readonly kind: 'remote' } & RemoteTargetOptions);

export interface LoadOptions {
  readonly where: Where;
  readonly participants: number;
  /** Without the regions, which the target knows. */
  readonly layout: Omit<Layout, 'regions'>;
  readonly media: MediaPlan;
  readonly receives: number | undefined;
  readonly rampPerS: number;
  readonly settleMs: number;
  readonly measureMs: number;
  readonly generators: number;
  readonly out: string;
  readonly limits: Limits;
  /** Undefined: one level is held. */
  readonly search: SearchRange | undefined;
}

const wrong = (message: string) => new MeridianError('config-invalid', { message });

/**
 * @returns undefined when help is asked for
 * @throws MeridianError `config-invalid` for a wrong value, TypeError for an unknown option
 */
export function parseLoadOptions(
  args: readonly string[],
  surroundings: { cores: number; now: Date; metricsToken: string | undefined },
): LoadOptions | undefined {
  const { values } = parseArgs({
    args: [...args],
    options: {
      help: { type: 'boolean', short: 'h' },
      participants: { type: 'string' },
      ramp: { type: 'string' },
      rooms: { type: 'string' },
      'per-room': { type: 'string' },
      publishers: { type: 'string' },
      receive: { type: 'string' },
      together: { type: 'boolean', default: false },
      publish: { type: 'string' },
      'video-kbps': { type: 'string' },
      fps: { type: 'string' },
      'packet-bytes': { type: 'string' },
      'key-frame-every': { type: 'string' },
      'audio-kbps': { type: 'string' },
      'video-file': { type: 'string' },
      'audio-file': { type: 'string' },
      seconds: { type: 'string' },
      settle: { type: 'string' },
      nodes: { type: 'string' },
      workers: { type: 'string' },
      url: { type: 'string' },
      metrics: { type: 'string' },
      prometheus: { type: 'string' },
      regions: { type: 'string' },
      'find-knee': { type: 'boolean', default: false },
      from: { type: 'string' },
      to: { type: 'string' },
      step: { type: 'string' },
      'max-loss': { type: 'string' },
      'max-join-ms': { type: 'string' },
      'max-cpu': { type: 'string' },
      'max-latency-ms': { type: 'string' },
      generators: { type: 'string' },
      out: { type: 'string' },
    },
  });
  if (values.help) return undefined;
  type Name = keyof typeof values;
  const given = (name: Name) => values[name] !== undefined;
  const number = (name: Name, range: { least: number; most: number; usual: number; whole?: boolean }): number => {
    const text = values[name];
    if (typeof text !== 'string') return range.usual;
    const value = text.trim() === '' ? Number.NaN : Number(text);
    const { least, most, whole = false } = range;
    if (!(value >= least && value <= most) || (whole && !Number.isInteger(value))) {
      throw wrong(`--${name} must be a ${whole ? 'whole ' : ''}number from ${least} to ${most}, not "${text}"`);
    }
    return value;
  };
  const count = (name: Name, usual: number, most = 10_000, least = 1) =>
    number(name, { least, most, usual, whole: true });
  const together = (one: Name, other: Name) => {
    if (given(one) && given(other)) throw wrong(`--${one} and --${other} exclude each other`);
  };
  const onlyWith = (names: readonly Name[], there: boolean, what: string) => {
    const stray = names.find(given);
    if (stray !== undefined && !there) throw wrong(`--${stray} goes with ${what} only`);
  };

  together('rooms', 'per-room');
  together('metrics', 'prometheus');
  onlyWith(['metrics', 'prometheus', 'regions'], given('url'), '--url');
  onlyWith(['nodes', 'workers'], !given('url'), 'a cluster on this machine, not --url,');
  onlyWith(
    ['from', 'to', 'step', 'max-loss', 'max-join-ms', 'max-cpu', 'max-latency-ms'],
    values['find-knee'],
    '--find-knee',
  );
  onlyWith(['participants', 'rooms'], !values['find-knee'], 'a fixed load, not --find-knee (see --from, --per-room),');

  const participants = count('participants', 12);
  const rooms = given('rooms') ? count('rooms', 1) : undefined;
  if (rooms !== undefined && rooms > participants) throw wrong('--rooms must not be above --participants');
  const perRoom = count('per-room', 4, 1_000);
  const from = count('from', perRoom);
  const to = count('to', Math.max(1_000, from));
  if (to < from) throw wrong('--to must not be below --from');
  return {
    where: whereOf(values, surroundings.metricsToken, {
      nodes: count('nodes', 3, 3),
      workers: count('workers', 1, 64),
    }),
    participants,
    layout: {
      rooms,
      perRoom,
      publishers: count('publishers', Number.MAX_SAFE_INTEGER, 10_000, 0),
      together: values.together,
    },
    media: mediaOf(values, {
      kbps: number('video-kbps', { least: 20, most: 6_000, usual: 500 }),
      fps: number('fps', { least: 1, most: 120, usual: 25 }),
      packetBytes: count('packet-bytes', 1_200, 1_400, 100),
      keyFrameEveryS: number('key-frame-every', { least: 0.1, most: 3_600, usual: 10 }),
      audioKbps: number('audio-kbps', { least: 13, most: 510, usual: 40 }),
    }),
    receives: given('receive') ? count('receive', 0, 10_000, 0) : undefined,
    rampPerS: number('ramp', { least: 0.1, most: 1_000, usual: 2 }),
    settleMs: 1_000 * number('settle', { least: 0, most: 600, usual: 3 }),
    measureMs: 1_000 * number('seconds', { least: 1, most: 86_400, usual: 20 }),
    generators: count('generators', surroundings.cores, 256),
    out: values.out ?? `.data/load/${surroundings.now.toISOString().replaceAll(':', '-')}.jsonl`,
    limits: {
      loss: number('max-loss', { least: 0, most: 100, usual: USUAL_LIMITS.loss * 100 }) / 100,
      joinP95Ms: number('max-join-ms', { least: 1, most: 600_000, usual: USUAL_LIMITS.joinP95Ms }),
      cpu: number('max-cpu', { least: 1, most: 100, usual: USUAL_LIMITS.cpu * 100 }) / 100,
      latencyP99Ms: number('max-latency-ms', { least: 1, most: 600_000, usual: USUAL_LIMITS.latencyP99Ms }),
    },
    search: values['find-knee'] ? { from, to, step: count('step', perRoom) } : undefined,
  };
}

interface WhereValues {
  readonly url?: string | undefined;
  readonly metrics?: string | undefined;
  readonly prometheus?: string | undefined;
  readonly regions?: string | undefined;
}

function whereOf(values: WhereValues, metricsToken: string | undefined, local: LocalTargetOptions): Where {
  if (values.url === undefined) return { kind: 'local', ...local };
  return {
    kind: 'remote',
    url: webAddress('url', values.url),
    regions: listOf(values.regions),
    metrics: listOf(values.metrics).map((url) => webAddress('metrics', url)),
    prometheus: values.prometheus === undefined ? undefined : webAddress('prometheus', values.prometheus),
    metricsToken,
  };
}

const listOf = (text: string | undefined) =>
  (text ?? '')
    .split(',')
    .map((one) => one.trim())
    .filter(Boolean);

function webAddress(option: string, text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !['http:', 'https:'].includes(url.protocol)) {
    throw wrong(`--${option} must be an http:// or https:// address, not "${text}"`);
  }
  return text.replace(/\/+$/, '');
}

interface MediaValues {
  readonly publish?: string | undefined;
  readonly 'video-file'?: string | undefined;
  readonly 'audio-file'?: string | undefined;
}

function mediaOf(
  values: MediaValues,
  settings: { kbps: number; fps: number; packetBytes: number; keyFrameEveryS: number; audioKbps: number },
): MediaPlan {
  const kinds = listOf(values.publish ?? 'audio,video');
  const unknown = kinds.find((kind) => kind !== 'audio' && kind !== 'video');
  if (unknown !== undefined || kinds.length === 0) {
    throw wrong(`--publish must be audio, video, or audio,video, not "${values.publish}"`);
  }
  const { audioKbps, ...video } = settings;
  const media: MediaPlan = {};
  for (const kind of ['audio', 'video'] as const) {
    const file = values[`${kind}-file`];
    if (!kinds.includes(kind)) {
      if (file !== undefined) throw wrong(`--${kind}-file: ${kind} is not published (--publish)`);
      continue;
    }
    const recorded = file === undefined ? {} : { file };
    if (kind === 'audio') media.audio = { kbps: audioKbps, ...recorded };
    else media.video = { ...video, ...recorded };
  }
  return media;
}
