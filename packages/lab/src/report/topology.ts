import type { Evaluation } from '../analysis/experiment.ts';
import { cutsOfLink, distinct } from '../experiment/measure/recovery.ts';
import type { RecordedRun } from '../experiment/record/run.ts';
import type { Header } from '../experiment/record/schema.ts';
import { applyChange, meanLoss, stateOf } from '../wan/model/settings.ts';
import { colourOf, type Picture } from './chart.ts';
import { layOut, type Point } from './layout.ts';
import { measuredWays, type Way } from './measured-ways.ts';

/** What a path does to packets, summed over its links. */
export interface PathSettings {
  readonly delayMs: number;
  readonly lossRatio: number;
  /** Standard deviation of the delay. */
  readonly jitterMs: number;
  /** Of the narrowest link, bit/s. */
  readonly rateBps: number | null;
}

export function pathSettings(names: readonly string[], links: Header['links']): PathSettings {
  const hops = names.flatMap((name) => links[name] ?? []);
  const rates = hops.flatMap(({ rateBps }) => rateBps ?? []);
  return {
    delayMs: hops.reduce((sum, { delayMs }) => sum + (delayMs ?? 0), 0),
    lossRatio: 1 - hops.reduce((kept, link) => kept * (1 - meanLoss(link.loss ?? null)), 1),
    jitterMs: Math.sqrt(hops.reduce((sum, { jitter }) => sum + (jitter?.sdMs ?? 0) ** 2, 0)),
    rateBps: rates.length === 0 ? null : Math.min(...rates),
  };
}

const rounded = (value: number): string => value.toFixed(value < 10 ? 1 : 0).replace(/\.0$/, '');

/** Both directions of a path in one line, such as "91 ms, 0.1 % loss, 1.2 ms jitter, 20 / 5 Mbit/s". */
export function pathLabel(up: PathSettings, down: PathSettings): string {
  const both = (there: string, back: string) => (there === back ? there : `${there} / ${back}`);
  const parts = [`${both(rounded(up.delayMs), rounded(down.delayMs))} ms`];
  if (up.lossRatio + down.lossRatio > 0) {
    parts.push(`${both((100 * up.lossRatio).toFixed(2), (100 * down.lossRatio).toFixed(2))} % loss`);
  }
  if (up.jitterMs + down.jitterMs > 0) parts.push(`${both(rounded(up.jitterMs), rounded(down.jitterMs))} ms jitter`);
  if (up.rateBps !== null || down.rateBps !== null) {
    const rate = (bps: number | null) => (bps === null ? '∞' : rounded(bps / 1e6));
    parts.push(`${both(rate(up.rateBps), rate(down.rateBps))} Mbit/s`);
  }
  return parts.join(', ');
}

/**
 * What becomes of a path by plan while it is measured, such as "dark from 30 to 38 s; from 38 s on 173 ms, 2.5 % loss"; undefined
 * where nothing does.
 */
export function planLabel(
  up: readonly string[],
  down: readonly string[],
  links: Header['links'],
  lengthS: number,
): string | undefined {
  const planned = [...up, ...down].flatMap((name) => links[name] ?? []);
  const times = planned.flatMap(({ schedule }) => schedule.flatMap(({ atS }) => (atS < lengthS ? atS : [])));
  if (times.length === 0) return undefined;
  const cuts = distinct(planned.flatMap((link) => cutsOfLink(link, lengthS)));
  const last = Math.max(...times);
  const inTheEnd = Object.fromEntries(
    Object.entries(links).map(([name, link]) => {
      const changes = link.schedule.filter(({ atS }) => atS < lengthS);
      return [name, { ...link, ...changes.reduce((state, { change }) => applyChange(state, change), stateOf(link)) }];
    }),
  );
  const after = pathLabel(pathSettings(up, inTheEnd), pathSettings(down, inTheEnd));
  return [
    ...cuts.map(({ fromS, toS }) => `dark from ${fromS} to ${toS} s`),
    ...(cuts.some(({ toS }) => toS === lengthS) ? [] : [`from ${last} s on ${after}`]),
  ].join('; ');
}

const escaped = (text: string): string => text.replace(/[&<>"']/g, (one) => `&#${one.codePointAt(0)};`);

/**
 * One drawing per arm: who is attached where, and what lies between: of emulated links their settings, one way there / one way
 * back; of real ones what the nodes measured in the first run.
 */
export function topology(evaluation: Evaluation): Picture[] {
  return evaluation.scenario.arms.flatMap((arm, index) => {
    const run = evaluation.blocks.flatMap(({ byArm }) => byArm.get(arm.name)?.run ?? [])[0];
    return run === undefined ? [] : [drawArm(run, arm, colourOf(index))];
  });
}

function drawArm(run: RecordedRun, arm: Header['scenario']['arms'][number], colour: string): Picture {
  const { scenario } = run.header;
  const clients = Object.keys(scenario.clients);
  const nodes = Object.keys(scenario.nodes).filter((node) => Object.values(arm.at).includes(node));
  const { width, height: usual, places } = layOut(clients, nodes, arm.at);
  const ways = run.header.real === undefined ? settingsOf(run.header) : measuredWays(run);
  const height = usual + (ways.some(({ plan }) => plan !== undefined) ? 2 * ROW : 0);
  const lines = ways.filter(firstOfPair()).flatMap((way) => {
    const from = places.get(way.from);
    const to = places.get(way.to);
    return from === undefined || to === undefined ? [] : [lineOf(from, to, way, colour)];
  });
  const boxes = [...places].map(([name, at]) =>
    nodes.includes(name)
      ? boxOf(at, `${name}`, scenario.nodes[name]?.place ?? '', colour)
      : boxOf(at, name, placeOf(scenario.clients[name]), undefined, scenario.clients[name]?.kind === 'light'),
  );
  const svg =
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" ` +
    `font-family="system-ui, sans-serif" font-size="12"><rect width="100%" height="100%" fill="#fff"/>` +
    `<text x="12" y="20" font-size="14" font-weight="600" fill="${colour}">${escaped(arm.title)}</text>` +
    `${lines.map(({ line }) => line).join('')}${boxes.join('')}${lines.map(({ text }) => text).join('')}</svg>`;
  return { name: `topology-${arm.name}`, title: arm.title, svg };
}

const settingsOf = ({ routes, links, scenario }: Header): Way[] =>
  routes.flatMap(({ kind, from, to, up, down }) => {
    if (kind !== 'media' && kind !== 'relay') return [];
    const label = pathLabel(pathSettings(up, links), pathSettings(down, links));
    return [{ kind, from, to, label, plan: planLabel(up, down, links, scenario.lengthS) }];
  });

/** A relay is written down once for each direction. */
function firstOfPair(): (way: Way) => boolean {
  const seen = new Set<string>();
  return ({ kind, from, to }) => {
    const key = `${kind} ${[from, to].sort().join(' ')}`;
    if (seen.has(key)) return false;
    seen.add(key);
    return true;
  };
}

/** A line longer than this has room for its label near the client, where lines that meet at a node are still apart. */
const LONG = 300;
/** Half of a box, and about what a letter of a label is wide. */
const HALF_BOX = 64;
const HALF_HEIGHT = 21;
const LETTER = 5.7;
const ROW = 13;

function lineOf(from: Point, to: Point, { kind, label, plan }: Way, colour: string): { line: string; text: string } {
  const long = Math.abs(to.x - from.x) > LONG;
  const share = kind === 'media' && long ? 0.42 : 0.5;
  const x = from.x + (to.x - from.x) * share;
  // Short lines that meet at a node: each label stands rather with its client.
  const y = from.y + (to.y - from.y) * (kind === 'media' && !long ? 0.3 : share);
  const dash = kind === 'relay' ? '' : ' stroke-dasharray="5 4"';
  const stroke = kind === 'relay' ? colour : '#666';
  const parts = label.split(', ');
  const half = Math.ceil(parts.length / 2);
  const halves = [parts.slice(0, half), parts.slice(half)].filter((part) => part.length > 0);
  const room = (Math.abs(to.x - from.x) - 2 * HALF_BOX) / LETTER;
  // Between a client and its node a row must not run into their boxes.
  const rows = halves.flatMap((part) => (kind === 'media' && part.join(', ').length > room ? part : [part.join(', ')]));
  const text = (row: string, dy: number, ink: string) =>
    `<text x="${x}" y="${y + dy}" text-anchor="middle" font-size="11" fill="${ink}" ` +
    `paint-order="stroke" stroke="#fff" stroke-width="4">${escaped(row)}</text>`;
  return {
    line: `<line x1="${from.x}" y1="${from.y}" x2="${to.x}" y2="${to.y}" stroke="${stroke}" stroke-width="2"${dash}/>`,
    text: [
      ...rows.map((row, index) => text(row, index === 0 ? -6 : ROW * index, '#333')),
      // Below the boxes.
      ...(plan?.split('; ') ?? []).map((row, index) => text(row, HALF_HEIGHT + ROW * (index + 1), '#a32a00')),
    ].join(''),
  };
}

const placeOf = (client: Header['scenario']['clients'][string] | undefined): string =>
  client === undefined ? '' : client.kind === 'light' ? `${client.place} (light)` : client.place;

function boxOf({ x, y }: Point, name: string, place: string, colour: string | undefined, light = false): string {
  const [fill, ink] = colour === undefined ? [light ? '#fff' : '#f2f2f2', '#222'] : [colour, '#fff'];
  const edge = light ? 'stroke="#999" stroke-dasharray="3 3" stroke-width="1.5"' : 'stroke="#fff" stroke-width="2"';
  return (
    `<rect x="${x - HALF_BOX}" y="${y - HALF_HEIGHT}" width="${2 * HALF_BOX}" height="${2 * HALF_HEIGHT}" rx="${colour === undefined ? 21 : 6}" fill="${fill}" ${edge}/>` +
    `<text x="${x}" y="${y - 3}" text-anchor="middle" font-weight="600" fill="${ink}">${escaped(name)}</text>` +
    `<text x="${x}" y="${y + 13}" text-anchor="middle" font-size="10.5" fill="${ink}">${escaped(place)}</text>`
  );
}
