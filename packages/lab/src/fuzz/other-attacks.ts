import { connect } from 'node:net';
import { BUS_NOTICES, BUS_REQUESTS, ERRORS, ErrorReply } from '@meridian/protocol';
import type { RawRedis } from '../redis/raw-redis.ts';
import { garble, type Json, mutate, nastyValue } from './mutate.ts';
import type { Random } from './random.ts';
import { BUS_SAMPLES, EVENT_SAMPLES, HTTP_SAMPLES, NOTICE_SAMPLES } from './samples.ts';
import type { Tally } from './tally.ts';

/** WebSocket upgrades whose sub-protocols and tokens are wrong in every way. */
export async function handshakes(
  count: number,
  options: { wsUrl: string; token: string; random: Random; tally: Tally },
): Promise<void> {
  const { wsUrl, token, random, tally } = options;
  const { port } = new URL(wsUrl);
  const waiting: Promise<void>[] = [];
  for (let left = count; left > 0; left -= 1) {
    const offered = random.chance(0.7)
      ? `meridian.v1, meridian.token.${badToken(token, random)}`
      : garble(`meridian.v1, meridian.token.${token}, meridian.resume.1.1`, random)
          .toString('latin1')
          .replace(/[\r\n]/g, ' ');
    const resume = random.chance(0.3) ? `, meridian.resume.${String(nastyValue(random)).slice(0, 100)}` : '';
    const head = [
      'GET /ws HTTP/1.1',
      'Host: localhost',
      'Connection: Upgrade',
      'Upgrade: websocket',
      'Sec-WebSocket-Version: 13',
      'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
      `Sec-WebSocket-Protocol: ${offered}${resume.replace(/[\r\n]/g, ' ')}`,
      '\r\n',
    ].join('\r\n');
    tally.sent += 1;
    const bytes = random.chance(0.1) ? garble(head, random) : Buffer.from(head, 'latin1');
    waiting.push(answerTo(Number(port), bytes).then((outcome) => tally.add('handshakes', outcome)));
  }
  await Promise.all(waiting);
}

/** The status and, after an upgrade, the close code. */
function answerTo(port: number, head: Buffer): Promise<string> {
  return new Promise((resolve) => {
    let bytes = Buffer.alloc(0);
    const socket = connect(port, '127.0.0.1');
    const done = (outcome: string) => {
      socket.destroy();
      resolve(outcome);
    };
    socket.setTimeout(300, () => done('waits for the rest'));
    socket.on('error', () => done('cut off'));
    socket.on('close', () => done('closed without an answer'));
    socket.on('connect', () => socket.write(head));
    socket.on('data', (chunk) => {
      bytes = Buffer.concat([bytes, chunk]);
      const end = bytes.indexOf('\r\n\r\n');
      if (end < 0) return;
      const status = bytes.toString('latin1', 9, 12);
      if (status !== '101') return done(`status ${status}`);
      for (let at = end + 4; at + 4 <= bytes.length; ) {
        const length = bytes.readUInt8(at + 1) & 0x7f;
        if ((bytes.readUInt8(at) & 0x0f) === 8 && length >= 2) return done(`close code ${bytes.readUInt16BE(at + 2)}`);
        at += length < 126 ? 2 + length : 4 + bytes.readUInt16BE(at + 2);
      }
    });
  });
}

function badToken(token: string, random: Random): string {
  const parts = token.split('.');
  const at = random.below(3);
  if (random.chance(0.3)) return parts.with(at, garble(parts[at] ?? '', random).toString('base64url')).join('.');
  if (at === 2) return parts.with(2, (parts[2] ?? '').slice(0, random.below(80))).join('.');
  const json = JSON.parse(Buffer.from(parts[at] ?? '', 'base64url').toString()) as Json;
  const changed =
    at === 0 && random.chance(0.5) ? { alg: random.pick(['none', 'HS256', 'RS256', 'EdDSA']) } : mutate(json, random);
  return parts.with(at, Buffer.from(JSON.stringify(changed)).toString('base64url')).join('.');
}

/** Messages on the nodes' channels; what is well formed names rooms, links and sessions that there are not. */
export async function busMessages(
  count: number,
  options: { raw: RawRedis; prefix: string; nodeIds: readonly string[]; random: Random; tally: Tally },
): Promise<void> {
  const { raw, prefix, nodeIds, random, tally } = options;
  const publishes: Promise<unknown>[] = [];
  for (let left = count; left > 0; left -= 1) {
    const envelope = busEnvelope(random, random.pick(nodeIds), left);
    const changed = random.chance(0.1) ? envelope : mutate(envelope, random);
    // A well-formed order to drain would be obeyed.
    const text = JSON.stringify(changed).replaceAll('"start"', '"stop"').replaceAll('"cancel"', '"stop"');
    const message = random.chance(0.15) ? garble(text, random) : Buffer.from(text);
    tally.sent += 1;
    tally.add('bus', message.length === 0 ? 'empty' : 'published');
    publishes.push(raw.send('PUBLISH', `${prefix}:channel:${random.pick(nodeIds)}`, message));
    if (publishes.length >= 100) await Promise.all(publishes.splice(0));
  }
  await Promise.all(publishes);
}

function busEnvelope(random: Random, from: string, index: number): Json {
  const id = `fuzz-${index}-${random.below(1_000_000_000)}`;
  switch (random.below(5)) {
    case 0:
    case 1: {
      const method = random.pick(Object.keys(BUS_REQUESTS) as (keyof typeof BUS_REQUESTS)[]);
      const data = mutate(BUS_SAMPLES[method], random);
      return {
        t: 'req',
        id,
        from,
        method,
        sentAtMs: Date.now(),
        ttlMs: 3_000,
        data: random.chance(0.2) ? BUS_SAMPLES[method] : data,
      };
    }
    case 2: {
      const notice = random.pick(Object.keys(BUS_NOTICES) as (keyof typeof BUS_NOTICES)[]);
      return {
        t: 'ntc',
        id,
        from,
        notice,
        data: random.chance(0.2) ? NOTICE_SAMPLES[notice] : mutate(NOTICE_SAMPLES[notice], random),
      };
    }
    case 3:
      return {
        t: 'res',
        id,
        from,
        result: random.chance(0.5)
          ? { ok: true, data: nastyValue(random) }
          : { ok: false, error: { code: 'internal', message: 'x' } },
      };
    default:
      return random.pick(EVENT_SAMPLES);
  }
}

/** Requests to the session service: bodies, paths, queries, content types and tokens that are wrong. */
export async function httpRequests(
  count: number,
  options: { url: string; room: string; tokens: readonly string[]; random: Random; tally: Tally },
): Promise<void> {
  const lanes = Array.from({ length: 4 }, (_, lane) => requestLane(Math.ceil((count - lane) / 4), options));
  await Promise.all(lanes);
}

async function requestLane(count: number, options: Parameters<typeof httpRequests>[1]): Promise<void> {
  const { url, room, tokens, random, tally } = options;
  for (let left = count; left > 0; left -= 1) {
    const sample = random.pick(HTTP_SAMPLES);
    // Hashing a password takes its time; it has a queue of its own.
    if (/users|login|password/.test(sample.path) && !random.chance(0.05)) continue;
    const slug = random.chance(0.3)
      ? encodeURIComponent(String(random.pick([room, 'no-such-room', '%00', '..', '__proto__', 'a'.repeat(300)])))
      : 'no-such-room';
    const body = sample.body === undefined ? undefined : JSON.stringify(mutate(sample.body, random));
    const token = random.pick(tokens);
    const response = await fetch(url + sample.path.replace(':slug', slug), {
      method: sample.method,
      headers: {
        ...(random.chance(0.8)
          ? { authorization: `Bearer ${random.chance(0.8) ? token : badToken(token, random)}` }
          : {}),
        ...(body === undefined
          ? {}
          : {
              'content-type': random.pick([
                'application/json',
                'application/json',
                'text/plain',
                'application/json; charset=x',
              ]),
            }),
      },
      ...(body === undefined ? {} : { body: random.chance(0.1) ? new Uint8Array(garble(body, random)) : body }),
      signal: AbortSignal.timeout(15_000),
    }).catch((error: unknown) => (error instanceof Error ? error : new Error(String(error))));
    tally.sent += 1;
    const where = `http ${sample.method} ${sample.path.split('?')[0]}`;
    if (response instanceof Error) {
      tally.add(where, 'no answer');
      tally.violation(`${where} was not answered: ${response.message} ${String(response.cause ?? '')}`);
      continue;
    }
    const text = await response.text();
    if (response.ok) {
      tally.add(where, String(response.status));
      continue;
    }
    const code = codeOf(text);
    tally.add(where, code ?? String(response.status));
    if (code === undefined || !Object.hasOwn(ERRORS, code))
      tally.violation(`${where} answered ${response.status} without a code: ${text.slice(0, 200)}`);
    if (code === 'internal') tally.violation(`${where} failed by itself for ${body?.slice(0, 300)}`);
  }
}

function codeOf(text: string): string | undefined {
  try {
    return ErrorReply.parse(JSON.parse(text)).error.code;
  } catch {
    return undefined;
  }
}
