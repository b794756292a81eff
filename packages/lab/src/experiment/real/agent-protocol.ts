import { z } from 'zod';
import { ClientTask, KeptFrame, PageNews } from '../page/contract.ts';
import { Header, MachineLoad } from '../record/schema.ts';

/**
 * What the recorder and `lab client`, which runs a client on another machine, say to each other: JSON lines over the
 * agent's standard input and output. Every request has one reply with its id.
 */
export const AGENT_VERSION = 2;

export const AgentRequest = z.discriminatedUnion('op', [
  z.strictObject({ op: z.literal('hello'), version: z.int() }),
  /** Opens the client; one at a time. */
  z.strictObject({ op: z.literal('open'), task: ClientTask }),
  z.strictObject({ op: z.literal('start') }),
  z.strictObject({ op: z.literal('now') }),
  z.strictObject({ op: z.literal('news') }),
  z.strictObject({ op: z.literal('keep-pictures') }),
  z.strictObject({ op: z.literal('kept-pictures') }),
  z.strictObject({ op: z.literal('draw-again'), frames: z.array(z.int()) }),
  z.strictObject({ op: z.literal('load') }),
  z.strictObject({ op: z.literal('leave') }),
  z.strictObject({ op: z.literal('close') }),
]);
export type AgentRequest = z.output<typeof AgentRequest>;
export const AgentRequestLine = z.strictObject({ id: z.int(), request: AgentRequest });

export const AgentReplyLine = z.strictObject({
  /** Of the request. */
  id: z.int(),
  result: z.unknown().optional(),
  error: z.string().optional(),
  /** What the page has complained about since the last reply. */
  complaints: z.array(z.string()),
});
export type AgentReplyLine = z.output<typeof AgentReplyLine>;

export const Hello = z.strictObject({
  version: z.int(),
  machine: Header.shape.machine,
  chromium: z.string(),
});
/** Milliseconds since 1970 by the page's clock. */
export const Now = z.number();
export const News = PageNews;
export const Pictures = z.array(KeptFrame);
export const Load = MachineLoad.omit({ atMs: true }).nullable();
