import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { eventually } from '@meridian/harness';
import type { Browser } from 'playwright-core';
import { expect, onTestFailed } from 'vitest';
import {
  createRoom,
  LocalCluster,
  type LocalClusterOptions,
  launchChromium,
  Person,
  type PersonOptions,
} from '../../src/index.ts';

const webDir = fileURLToPath(new URL('../../../web/dist', import.meta.url));

/** A running three-region cluster with the built web app, and a browser. */
export interface Stage {
  readonly cluster: LocalCluster;
  readonly browser: Browser;
  /** Joins a room and cleans up by itself at the end of the stage. */
  join(options: Omit<PersonOptions, 'url'>): Promise<Person>;
  open(options: Omit<PersonOptions, 'url'>, how?: { autojoin: boolean }): Promise<Person>;
  /** Creates a room; returns its slug. */
  room(options?: Record<string, unknown>): Promise<string>;
  /** Closes the pages of a finished test. */
  clear(): Promise<void>;
  close(): Promise<void>;
}

/** What a page paints costs more than what it decodes: for tests that are not about how it looks, with all its parts. */
export const SMALL_WINDOW = { width: 780, height: 480 };

export async function openStage(
  options: { fps?: number; viewport?: PersonOptions['viewport'] } & Pick<
    LocalClusterOptions,
    'nodeEnv' | 'nodeEnvOf'
  > = {},
): Promise<Stage> {
  if (!existsSync(join(webDir, 'index.html'))) {
    throw new Error('the web app is not built: run `pnpm --filter @meridian/web build` first');
  }
  const dataDir = await mkdtemp(join(tmpdir(), 'meridian-e2e-'));
  const { fps = 15, viewport, ...services } = options;
  const cluster = await LocalCluster.start({ dataDir, webDir, ...services });
  const browser = await launchChromium({ fps });
  const usual = { url: cluster.url, ...(viewport === undefined ? {} : { viewport }) };
  const people: Person[] = [];
  const keep = (person: Person): Person => {
    people.push(person);
    onTestFailed(async () => {
      const errors = person.consoleErrors.slice(-10);
      process.stderr.write(`[${person.name}] ${errors.length === 0 ? 'no console errors' : errors.join('\n')}\n`);
    });
    return person;
  };
  return {
    cluster,
    browser,
    join: async (who) => keep(await Person.join(browser, { ...usual, ...who })),
    open: async (who, how = { autojoin: false }) => keep(await Person.open(browser, { ...usual, ...who }, how)),
    room: (body = {}) => createRoom(cluster.url, body),
    async clear() {
      await Promise.all(people.splice(0).map((person) => person.close()));
    },
    async close() {
      await browser.close();
      await cluster.stop();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}

/** The received video of one person goes on: at least `more` further frames are decoded. */
export function framesRise(viewer: Person, from: string, more = 20, withinMs = 30_000): Promise<void> {
  return allFramesRise(viewer, [from], more, withinMs);
}

/** Everybody decodes further video of everybody else; all are watched at the same time. */
export async function seeEachOther(people: readonly Person[], more = 20, withinMs = 30_000): Promise<void> {
  const watch = (viewer: Person) => {
    const others = people.filter((one) => one !== viewer).map(({ name }) => name);
    return allFramesRise(viewer, others, more, withinMs);
  };
  await Promise.all(people.map(watch));
}

async function allFramesRise(viewer: Person, of: readonly string[], more: number, withinMs: number): Promise<void> {
  const before = await viewer.framesFrom(of);
  await eventually(
    `${viewer.name} decodes further video of ${of.map((name, i) => `${name} (${before[i]} frames so far)`).join(', ')}`,
    async () => {
      for (const [i, now] of (await viewer.framesFrom(of)).entries()) {
        const was = before[i] ?? 0;
        // A new track (rejoin, other layer set) starts at zero again.
        if (now < (now < was ? more : was + more)) throw new Error(`${now} frames of ${of[i]}`);
      }
    },
    { withinMs, everyMs: 200 },
  );
}

/** The viewer shows exactly these people (and itself). */
export async function showsExactly(viewer: Person, names: readonly string[], withinMs = 20_000): Promise<void> {
  await eventually(
    `${viewer.name} sees ${names.join(', ')}`,
    async () => {
      const shown = (await viewer.tiles()).map((tile) => tile.name);
      expect(shown).toHaveLength(names.length);
      for (const name of names) expect(shown.filter((one) => one.includes(name))).toHaveLength(1);
    },
    { withinMs, everyMs: 200 },
  );
}

/** Value of a metric, summed over the series whose labels match. */
export async function metric(url: string, name: string, labels: Record<string, string> = {}): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  let sum = 0;
  for (const line of text.split('\n')) {
    if (!line.startsWith(`${name}{`) && !line.startsWith(`${name} `)) continue;
    if (Object.entries(labels).every(([key, value]) => line.includes(`${key}="${value}"`))) {
      sum += Number(line.slice(line.lastIndexOf(' ') + 1));
    }
  }
  return sum;
}
