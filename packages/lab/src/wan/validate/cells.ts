import { LinkSettings, type LinkSettingsInput, meanLoss } from '../model/settings.ts';
import type { Profile } from '../profiles.ts';
import { bitsOf, type Figures, type Load, loadOfBits, loadOfPackets } from './figures.ts';

/** One link under one load, and what it should show. */
export interface Cell {
  readonly name: string;
  readonly settings: LinkSettings;
  readonly load: Load;
  /** What was asked of the link; a figure that does not apply is left out. */
  readonly asked: Partial<Figures>;
  /** true: no other cell at the same time. */
  readonly alone: boolean;
  /** true: the link's schedule is started together with the load. */
  readonly scheduled: boolean;
}

const PROBE_BYTES = 200;
const MEDIA_BYTES = 1_200;

/** What the settings ask for under a load that does not fill the link. */
function askedOf(settings: LinkSettings, load: Load): Figures {
  const packetBits = bitsOf(load) / load.packetsPerS;
  const loss = meanLoss(settings.loss);
  return {
    delayMs: settings.delayMs + (settings.rateBps === null ? 0 : (packetBits * 1_000) / settings.rateBps),
    jitterMs: settings.jitter?.sdMs ?? 0,
    loss,
    rateBps: bitsOf(load) * (1 - loss),
  };
}

function cell(name: string, input: LinkSettingsInput, load: Load, options: { alone?: boolean } = {}): Cell {
  const settings = LinkSettings.parse(input);
  return { name, settings, load, asked: askedOf(settings, load), alone: options.alone ?? false, scheduled: false };
}

/** A load above the link's rate: what comes through is the rate, and a full queue is waited for. */
function overload(
  name: string,
  input: LinkSettingsInput & { rateBps: number },
  queueMs: number,
  seconds: number,
): Cell {
  const settings = LinkSettings.parse({ ...input, queue: { ms: queueMs } });
  const load = loadOfBits(input.rateBps * 1.2, MEDIA_BYTES, seconds);
  return { name, settings, load, asked: { rateBps: input.rateBps }, alone: true, scheduled: false };
}

/** A cut after a third of the time, for a third of it; then a longer way. */
function cut(seconds: number): Cell {
  const settings = LinkSettings.parse({
    delayMs: 30,
    schedule: [
      { atS: seconds / 3, change: { outage: true } },
      { atS: (2 * seconds) / 3, change: { outage: false, delayMs: 60 } },
    ],
  });
  const load = loadOfPackets(1_000, PROBE_BYTES, seconds);
  const asked = { delayMs: (30 + 60) / 2, loss: 1 / 3 };
  return { name: 'cut for a third, 30 then 60 ms', settings, load, asked, alone: true, scheduled: true };
}

/** Each parameter by itself. */
export function parameterCells(seconds: number): Cell[] {
  const packets = loadOfPackets(1_000, PROBE_BYTES, seconds);
  const long = loadOfPackets(1_000, PROBE_BYTES, 3 * seconds);
  const media = loadOfBits(5e6, MEDIA_BYTES, seconds);
  return [
    cell('no delay', {}, packets, { alone: true }),
    cell('delay 50 ms', { delayMs: 50 }, packets, { alone: true }),
    cell('delay 50 ms', { delayMs: 50 }, media, { alone: true }),
    ...(['uniform', 'normal', 'pareto'] as const).flatMap((distribution) => [
      cell(
        `${distribution} jitter 5 ms, reordered`,
        { delayMs: 50, jitter: { distribution, sdMs: 5, reorder: true } },
        packets,
      ),
      cell(
        `${distribution} jitter 2 ms, in order`,
        { delayMs: 50, jitter: { distribution, sdMs: 2, reorder: false } },
        packets,
      ),
    ]),
    cell('loss 30 %', { delayMs: 10, loss: { kind: 'independent', ratio: 0.3 } }, long),
    cell(
      'loss 20 % in bursts of 3',
      { delayMs: 10, loss: { kind: 'gilbert-elliott', goodToBad: 1 / 12, badToGood: 1 / 3 } },
      long,
    ),
    overload('rate 5 Mbit/s, overfull', { delayMs: 20, rateBps: 5e6 }, 100, seconds),
    overload('rate 20 Mbit/s, overfull', { delayMs: 20, rateBps: 20e6 }, 50, seconds / 2),
    cut(seconds),
  ];
}

/** Each direction of each profile (once where both are the same) at 1,000 packets/s and at 5 Mbit/s. */
export function profileCells(profiles: Iterable<Profile>, seconds: number): Cell[] {
  const loads = [loadOfPackets(1_000, PROBE_BYTES, seconds), loadOfBits(5e6, MEDIA_BYTES, seconds)];
  return [...profiles].flatMap((profile) => {
    const symmetrical = JSON.stringify(profile.forward) === JSON.stringify(profile.backward);
    const ways: [string, LinkSettings][] = symmetrical
      ? [[profile.name, profile.forward]]
      : [
          [`${profile.name} up`, profile.forward],
          [`${profile.name} down`, profile.backward],
        ];
    return ways.flatMap(([name, settings]) => loads.map((load) => cell(name, settings, load)));
  });
}
