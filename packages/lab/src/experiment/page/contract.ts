import { z } from 'zod';

/** What crosses between the recorder and its pages. Times are milliseconds since 1970 by the page's clock. */

const Kind = z.enum(['page', 'light']);

export const ClientTask = z.strictObject({
  kind: Kind,
  /** Of the room: `http://localhost:.../r/<slug>`. */
  url: z.string(),
  /** Of the client in the scenario; also the name it has in the room. */
  name: z.string(),
  /** Its number in the time code. */
  number: z.int(),
  /** Everybody else in the room. */
  others: z.array(z.strictObject({ name: z.string(), kind: Kind, sendsVideo: z.boolean(), sendsAudio: z.boolean() })),
  region: z.string(),
  video: z
    .strictObject({
      width: z.int(),
      height: z.int(),
      fps: z.number(),
      codec: z.enum(['vp8', 'vp9', 'av1', 'h264']),
      simulcast: z.boolean(),
    })
    .nullable(),
  audio: z.boolean(),
  /** Of every sender, how many frames lie between two whose picture is kept for comparison. */
  keepEvery: z.int().min(1),
  /** Most pictures kept of each sender. */
  keepMost: z.int().min(0),
});
export type ClientTask = z.output<typeof ClientTask>;

const rows = <T extends z.ZodType>(row: T) => z.array(row);
const ms = z.number();

/** Collected by a page and fetched by the recorder about twice a second. */
export const PageNews = z.strictObject({
  marks: rows(
    z.strictObject({
      atMs: ms,
      what: z.enum(['joining', 'joined', 'visible', 'receiving', 'reconnecting', 'reconnected', 'trouble', 'ended']),
      detail: z.string().optional(),
    }),
  ),
  /** `[frame, drawnMs]` */
  sent: rows(z.tuple([z.int(), ms])),
  /** `[sender's number, frame, shownMs, receivedMs, decodeMs, width, height]` */
  shown: rows(z.tuple([z.int(), z.int(), ms, ms.nullable(), z.number().nullable(), z.int(), z.int()])),
  /** Shown frames without a readable code, by the sender's name. */
  unread: z.record(z.string(), z.int()),
  /** `[tick, playedMs]` */
  played: rows(z.tuple([z.int(), ms])),
  /** `[sender's name, pitch, heardMs]` */
  heard: rows(z.tuple([z.string(), z.int(), ms])),
  stats: rows(z.strictObject({ atMs: ms, reports: z.array(z.looseObject({ id: z.string(), type: z.string() })) })),
  /** What the SDK says of the node's side. */
  node: rows(z.strictObject({ atMs: ms, nodeId: z.string(), stats: z.unknown() })),
});
export type PageNews = z.output<typeof PageNews>;

/** A picture that was kept, as the decoder gave it; `data` in base64. */
export const KeptFrame = z.strictObject({
  sender: z.int(),
  frame: z.int(),
  width: z.int(),
  height: z.int(),
  /** Of WebCodecs, such as I420 or BGRX. */
  format: z.string(),
  /** Whether white is 255 (full range) or 235 (limited), as the white cells of its time code show. */
  fullRange: z.boolean(),
  data: z.string(),
});
export type KeptFrame = z.output<typeof KeptFrame>;
