import type { Person } from '../../src/index.ts';

/** What a page's room has reported since it was watched. */
export interface Heard {
  readonly event: string;
  /** By the page's clock, milliseconds. */
  readonly atMs: number;
  readonly what: string;
}

/** What nobody may see of somebody whose connection or network was lost for a moment. */
export const FLICKER = [
  'participant-joined',
  'participant-left',
  'producer-opened',
  'producer-closed',
  'producer-replaced',
  'track-added',
  'track-removed',
  'track-replaced',
] as const;

const EVENTS = [...FLICKER, 'reconnecting', 'reconnected', 'resumed', 'moved', 'trouble', 'ended', 'chat'] as const;
export type Watched = (typeof EVENTS)[number];

/** Notes the events of the page's room from now on; a watch before this one is forgotten. */
export async function watchRoom(person: Person): Promise<void> {
  await person.page.evaluate((events) => {
    const { room } = Reflect.get(globalThis, 'meridian');
    const heard: Heard[] = [];
    Reflect.set(globalThis, '__heard', heard);
    const words = (value: unknown): string => {
      try {
        return JSON.stringify(value) ?? '';
      } catch {
        return String(value);
      }
    };
    for (const event of events) {
      room.on(event, (value: { code?: string; text?: string; participant?: { name: string } }) => {
        const what = value?.code ?? value?.text ?? value?.participant?.name ?? words(value);
        heard.push({ event, atMs: performance.now(), what });
      });
    }
  }, EVENTS);
}

export async function heard(person: Person, ...events: readonly Watched[]): Promise<Heard[]> {
  const all = (await person.page.evaluate('window.__heard ?? []')) as Heard[];
  return events.length === 0 ? all : all.filter(({ event }) => events.some((one) => one === event));
}

/** Ids of everything that this page publishes, as another page's room has them. */
export async function producersOf(viewer: Person, name: string): Promise<string[]> {
  const ids = await viewer.page.evaluate((wanted) => {
    const { room } = Reflect.get(globalThis, 'meridian');
    const owner = room.participants.find((one: { name: string }) => one.name === wanted)?.sessionId;
    return room.producers
      .filter((one: { sessionId: string }) => one.sessionId === owner)
      .map((one: { producerId: string }) => one.producerId);
  }, name);
  return (ids as string[]).toSorted();
}

/** How many peer connections the page has open. */
export async function openTransports(person: Person): Promise<number> {
  return (await person.reports()).filter(({ type }) => type === 'transport').length;
}
