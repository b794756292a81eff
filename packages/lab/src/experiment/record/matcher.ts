import { LONGEST_WAY_MS, tickOf } from '../measure/ticks.ts';
import type { PageNews } from '../page/contract.ts';
import type { FrameRow, RecordLine } from './schema.ts';

/** Events of this age wait no longer for their other half, ms: the sender's page has told everything by then. */
const PATIENCE_MS = 5_000;

export interface MatchedClient {
  readonly name: string;
  readonly number: number;
}

interface Sender {
  readonly name: string;
  /** Frame -> when it was drawn. */
  readonly drawn: Map<number, number>;
  /** Tick -> when it was played. */
  readonly played: Map<number, number>;
  playedUntilMs: number;
}

interface ShownSomewhere {
  readonly receiver: string;
  readonly row: PageNews['shown'][number];
}

interface HeardSomewhere {
  readonly receiver: string;
  readonly sender: string;
  readonly pitch: number;
  readonly heardMs: number;
}

/**
 * Brings together what the pages tell: of a frame the receiver knows when it was shown, the sender when it was drawn. Pages
 * are asked one after the other, so either half may come first.
 */
export class Matcher {
  readonly #senders: ReadonlyMap<string, Sender>;
  readonly #nameOf: ReadonlyMap<number, string>;
  #shown: ShownSomewhere[] = [];
  #heard: HeardSomewhere[] = [];

  constructor(clients: readonly MatchedClient[]) {
    this.#nameOf = new Map(clients.map(({ name, number }) => [number, name]));
    this.#senders = new Map(
      clients.map(({ name }) => [
        name,
        { name, drawn: new Map(), played: new Map(), playedUntilMs: Number.NEGATIVE_INFINITY },
      ]),
    );
  }

  /**
   * News of a page, as lines that need nothing else.
   * @param toRunMs turns the page's times into the run's
   */
  take(client: string, news: PageNews, toRunMs: (pageMs: number) => number): RecordLine[] {
    const own = this.#senders.get(client);
    if (own === undefined) return [];
    const lines: RecordLine[] = [];
    for (const { atMs, ...mark } of news.marks) lines.push({ type: 'mark', atMs: toRunMs(atMs), client, ...mark });
    const sent = news.sent.map(([frame, drawnMs]): [number, number] => [frame, toRunMs(drawnMs)]);
    for (const [frame, drawnMs] of sent) own.drawn.set(frame, drawnMs);
    if (sent.length > 0) lines.push({ type: 'sent', sender: client, rows: sent });
    for (const [tick, playedMs] of news.played) {
      own.played.set(tick, toRunMs(playedMs));
      own.playedUntilMs = toRunMs(playedMs);
    }
    for (const [number, frame, shownMs, receivedMs, ...rest] of news.shown) {
      const row: PageNews['shown'][number] = [
        number,
        frame,
        toRunMs(shownMs),
        receivedMs === null ? null : toRunMs(receivedMs),
        ...rest,
      ];
      this.#shown.push({ receiver: client, row });
    }
    for (const [sender, pitch, heardMs] of news.heard) {
      this.#heard.push({ receiver: client, sender, pitch, heardMs: toRunMs(heardMs) });
    }
    for (const [sender, unread] of Object.entries(news.unread)) {
      lines.push({ type: 'frames', receiver: client, sender, rows: [], unread });
    }
    for (const { atMs, reports } of news.stats) lines.push({ type: 'stats', atMs: toRunMs(atMs), client, reports });
    return lines;
  }

  /** What is complete by now. With `last` nothing is waited for any more. */
  matched(nowMs: number, { last = false }: { last?: boolean } = {}): RecordLine[] {
    return [...this.#frames(nowMs, last), ...this.#ticks(nowMs, last)];
  }

  #frames(nowMs: number, last: boolean): RecordLine[] {
    const rows = new Map<string, { receiver: string; sender: string; rows: FrameRow[]; unread: number }>();
    const waiting: ShownSomewhere[] = [];
    for (const shown of this.#shown) {
      const { receiver, row } = shown;
      const [number, frame, shownMs, ...rest] = row;
      const sender = this.#nameOf.get(number);
      const drawnMs = sender === undefined ? undefined : this.#senders.get(sender)?.drawn.get(frame);
      if (drawnMs === undefined && !last && nowMs - shownMs < PATIENCE_MS) {
        waiting.push(shown);
        continue;
      }
      // A code that reads well but was never sent is a misread one.
      if (sender === undefined) continue;
      const key = JSON.stringify([receiver, sender]);
      const line = rows.get(key) ?? { receiver, sender, rows: [], unread: 0 };
      if (drawnMs === undefined || drawnMs > shownMs) line.unread += 1;
      else line.rows.push([frame, drawnMs, shownMs, ...rest]);
      rows.set(key, line);
    }
    this.#shown = waiting;
    return [...rows.values()].map((line) => ({ type: 'frames', ...line }));
  }

  #ticks(nowMs: number, last: boolean): RecordLine[] {
    const rows = new Map<string, { receiver: string; sender: string; rows: [number, number, number][] }>();
    const waiting: HeardSomewhere[] = [];
    for (const heard of this.#heard) {
      const { receiver, sender, pitch, heardMs } = heard;
      const source = this.#senders.get(sender);
      if (source === undefined) continue;
      // Which tick it was is known once all that were played before are told of.
      if (source.playedUntilMs < heardMs && !last && nowMs - heardMs < PATIENCE_MS) {
        waiting.push(heard);
        continue;
      }
      const tick = tickOf(pitch, heardMs, source.played);
      const playedMs = tick === undefined ? undefined : source.played.get(tick);
      if (tick === undefined || playedMs === undefined) continue;
      const key = JSON.stringify([receiver, sender]);
      const line = rows.get(key) ?? { receiver, sender, rows: [] };
      line.rows.push([tick, playedMs, heardMs]);
      rows.set(key, line);
    }
    this.#heard = waiting;
    this.#forget(nowMs);
    return [...rows.values()].map((line) => ({ type: 'ticks', ...line }));
  }

  /** Keeps the maps as small as the patience asks for. */
  #forget(nowMs: number): void {
    const before = nowMs - PATIENCE_MS - 10 * LONGEST_WAY_MS;
    for (const { drawn, played } of this.#senders.values()) {
      for (const times of [drawn, played]) {
        for (const [number, atMs] of times) {
          if (atMs >= before) break;
          times.delete(number);
        }
      }
    }
  }
}
