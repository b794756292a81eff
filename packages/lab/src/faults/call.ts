import { eventually } from '@meridian/harness';
import { type NodeId, type RoomId, RoomSlug, type RoomSnapshot } from '@meridian/protocol';
import type { ZodType } from 'zod';
import { Person } from '../browser/index.ts';
import { createRoom } from '../light/api.ts';
import { Latest, Recording, recorderScript, TONES_HZ } from './recorder.ts';
import type { Stage } from './stage.ts';

interface Seat {
  readonly name: string;
  /** undefined: wherever the cluster puts them. */
  readonly region: string | undefined;
}

/** Anna and Binh ask for their regions; Chi goes where the cluster sends her. */
const SEATS: readonly Seat[] = [
  { name: 'Anna', region: 'eu-west' },
  { name: 'Binh', region: 'ap-southeast' },
  { name: 'Chi', region: undefined },
];

/** A third of what the pages would paint, and nothing is read off it. */
const NO_SELF_VIEW = `addEventListener('DOMContentLoaded', () => {
  const style = document.createElement('style');
  style.textContent = '[data-testid="tile"][data-self] video { visibility: hidden }';
  document.head.append(style);
})`;

export const NAMES: readonly string[] = SEATS.map(({ name }) => name);

/** A call of three real browser pages in the real web app, each with a recorder in it. */
export class Call {
  readonly stage: Stage;
  readonly slug: RoomSlug;
  readonly roomId: RoomId;
  readonly #people: ReadonlyMap<string, Person>;

  private constructor(stage: Stage, slug: RoomSlug, roomId: RoomId, people: ReadonlyMap<string, Person>) {
    this.stage = stage;
    this.slug = slug;
    this.roomId = roomId;
    this.#people = people;
  }

  /** @throws Error when somebody does not get in */
  static async start(stage: Stage): Promise<Call> {
    const slug = RoomSlug.parse(await createRoom(stage.cluster.url));
    const people = new Map<string, Person>();
    try {
      for (const [index, { name, region }] of SEATS.entries()) {
        const context = await stage.browser.newContext({
          // What a page paints costs more than what it decodes; large enough for the layout with all its parts.
          viewport: { width: 400, height: 300 },
          deviceScaleFactor: 0.5,
          permissions: ['camera', 'microphone'],
          // For the recorder's audio worklet.
          bypassCSP: true,
        });
        await context.addInitScript(NO_SELF_VIEW);
        await context.addInitScript(recorderScript(TONES_HZ[index] ?? 0));
        const options = { url: stage.cluster.url, room: slug, name, quality: 'low' as const };
        const person = await Person.inContext(context, region === undefined ? options : { ...options, region }, {
          autojoin: true,
        });
        people.set(name, person);
        await person.waitUntilJoined();
      }
      const roomId = await eventually('the room has its name in Redis', async () => {
        return (await stage.state.names.find(slug)) ?? false;
      });
      return new Call(stage, slug, roomId, people);
    } catch (error) {
      await Promise.all([...people.values()].map((person) => person.close()));
      throw error;
    }
  }

  person(name: string): Person {
    const person = this.#people.get(name);
    if (person === undefined) throw new Error(`nobody is called ${name}`);
    return person;
  }

  snapshot(): Promise<RoomSnapshot> {
    return this.stage.state.rooms.snapshot(this.roomId);
  }

  /** Where the cluster's state says that somebody is. @throws Error when they are not in the room */
  async nodeOf(name: string): Promise<NodeId> {
    const found = (await this.snapshot()).participants.find((participant) => participant.name === name);
    if (found === undefined) throw new Error(`${name} is not in the room`);
    return found.nodeId;
  }

  async namesOn(nodeId: string): Promise<string[]> {
    const { participants } = await this.snapshot();
    return participants.filter((participant) => participant.nodeId === nodeId).map(({ name }) => name);
  }

  /** All that the pages have seen and heard; dear, so not while something is measured. */
  recordings(): Promise<Map<string, Recording>> {
    return this.#ask('read()', Recording);
  }

  latest(): Promise<Map<string, Latest>> {
    return this.#ask('latest()', Latest);
  }

  async #ask<T>(what: string, schema: ZodType<T>): Promise<Map<string, T>> {
    const read = async ([name, person]: readonly [string, Person]) =>
      [name, schema.parse(await person.page.evaluate(`window.__meridianRecorder.${what}`))] as const;
    return new Map(await Promise.all([...this.#people].map(read)));
  }

  async forgetBefore(ms: number): Promise<void> {
    await Promise.all(
      [...this.#people.values()].map(({ page }) => page.evaluate(`window.__meridianRecorder.forget(${ms})`)),
    );
  }

  /** What each page has on its console as errors; for the log of a run that went wrong. */
  get consoleErrors(): string[] {
    return [...this.#people].flatMap(([name, { consoleErrors }]) => consoleErrors.map((line) => `[${name}] ${line}`));
  }

  /** Everybody leaves by the button, then the pages close. */
  async leave(): Promise<void> {
    await Promise.all([...this.#people.values()].map((person) => person.leave()));
    await this.close();
  }

  async close(): Promise<void> {
    await Promise.all([...this.#people.values()].map((person) => person.close()));
  }
}

/** Now, on the clock that the recordings use. Milliseconds. */
export const nowMs = (): number => performance.timeOrigin + performance.now();
