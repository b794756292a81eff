import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { LinkSettings } from '../model/settings.ts';
import { monotonicMs } from '../scheduler.ts';
import type { WanEmulator } from '../start-emulator.ts';
import { type Load, megabits } from './figures.ts';
import { type Judgement, TOLERANCE } from './judge.ts';

/** Payload and headers of a full segment, bytes. */
const SEGMENT = { payload: 1_448, wire: 1_500 };
const DELAY_MS = 40;
const RATE_BPS = 5e6;

/** SYN, SYN and ACK, then ACK and the first segment: three ways and the time these take at the rate. */
const FIRST_BYTE_MS = 3 * DELAY_MS + ((3 * (SEGMENT.wire - SEGMENT.payload) + SEGMENT.wire) * 8_000) / RATE_BPS;

export const TCP_LINK = LinkSettings.parse({ delayMs: DELAY_MS, rateBps: RATE_BPS, queue: { ms: 100 } });

/** One upload: how long until the server has the first byte, and how fast the rest comes. */
export async function probeTcp(
  emulator: WanEmulator,
  links: { up: string; down: string },
  seconds: number,
): Promise<{ load: Load; figures: Judgement[] }> {
  const count = Math.round((seconds * RATE_BPS) / 8 / SEGMENT.wire);
  const load: Load = {
    label: `TCP ${megabits(RATE_BPS)}`,
    packetsPerS: RATE_BPS / 8 / SEGMENT.wire,
    payloadBytes: SEGMENT.payload,
    count,
  };
  const arrivals: { atMs: number; bytes: number }[] = [];
  const server = createServer((socket) => {
    socket.on('data', (chunk) => arrivals.push({ atMs: monotonicMs(), bytes: chunk.length }));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the server has no port');
  const proxy = await emulator.openTcp({ target: { port: address.port }, up: [links.up], down: [links.down] });
  try {
    const startMs = monotonicMs();
    const client = connect(proxy.port, proxy.host);
    client.end(Buffer.alloc(count * SEGMENT.payload));
    await once(client, 'close');
    const [first, last] = [arrivals[0], arrivals.at(-1)];
    const bytes = arrivals.slice(1).reduce((sum, arrival) => sum + arrival.bytes, 0);
    const rate = ((bytes * SEGMENT.wire) / SEGMENT.payload) * 8_000;
    return {
      load,
      figures: [
        judged('delayMs', FIRST_BYTE_MS, (first?.atMs ?? Number.NaN) - startMs),
        judged('rateBps', RATE_BPS, rate / ((last?.atMs ?? Number.NaN) - (first?.atMs ?? Number.NaN))),
      ],
    };
  } finally {
    await emulator.closeOne(proxy.id);
    server.close();
  }
}

function judged(figure: Judgement['figure'], asked: number, measured: number): Judgement {
  const ok = Math.abs(measured - asked) <= TOLERANCE * asked;
  const complaint = `${figure}: measured ${measured.toPrecision(4)}, ${asked.toPrecision(4)} was asked`;
  return { figure, asked, model: undefined, plan: undefined, measured, complaints: ok ? [] : [complaint] };
}
