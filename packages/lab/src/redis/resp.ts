/** Redis's wire format (RESP2 and RESP3), as far as it takes to cut a stream into replies and to read simple ones. */
export type Reply = string | number | null | Error | readonly Reply[];

const CR = 13;
const LF = 10;

/** Where the reply that begins at `at` ends; undefined while it is not whole. @throws Error for another protocol */
export function replyEnd(bytes: Buffer, at: number): number | undefined {
  const line = lineEnd(bytes, at);
  if (line === undefined) return undefined;
  const kind = String.fromCharCode(bytes[at] ?? 0);
  switch (kind) {
    case '+':
    case '-':
    case ':':
    case '_':
    case '#':
    case ',':
    case '(':
      return line;
    case '$':
    case '=':
    case '!': {
      const length = numberAt(bytes, at + 1, line);
      if (length < 0) return line;
      const end = line + length + 2;
      return end <= bytes.length ? end : undefined;
    }
    case '*':
    case '~':
    case '>':
      return endOfMany(bytes, line, numberAt(bytes, at + 1, line));
    case '%':
      return endOfMany(bytes, line, 2 * numberAt(bytes, at + 1, line));
    case '|': {
      const attributes = endOfMany(bytes, line, 2 * numberAt(bytes, at + 1, line));
      return attributes === undefined ? undefined : replyEnd(bytes, attributes);
    }
    default:
      throw new Error(`not a reply of Redis: ${JSON.stringify(kind)}`);
  }
}

/** The reply that stands from `at` to its end; maps and sets as flat lists. */
export function readReply(bytes: Buffer, at: number): { reply: Reply; end: number } {
  const line = lineEnd(bytes, at);
  const end = replyEnd(bytes, at);
  if (line === undefined || end === undefined) throw new Error('the reply is not whole');
  const text = bytes.toString('utf8', at + 1, line - 2);
  switch (String.fromCharCode(bytes[at] ?? 0)) {
    case '-':
      return { reply: new Error(text), end };
    case ':':
      return { reply: Number(text), end };
    case '_':
      return { reply: null, end };
    case '$':
    case '=':
    case '!':
      return { reply: Number(text) < 0 ? null : bytes.toString('utf8', line, end - 2), end };
    case '*':
    case '~':
    case '>':
      return { reply: Number(text) < 0 ? null : readMany(bytes, line, Number(text)), end };
    case '%':
      return { reply: readMany(bytes, line, 2 * Number(text)), end };
    default:
      return { reply: text, end };
  }
}

export function encodeCommand(parts: readonly (string | number | Buffer)[]): Buffer {
  const pieces: Buffer[] = [Buffer.from(`*${parts.length}\r\n`)];
  for (const part of parts) {
    const bytes = Buffer.isBuffer(part) ? part : Buffer.from(String(part));
    pieces.push(Buffer.from(`$${bytes.length}\r\n`), bytes, Buffer.from('\r\n'));
  }
  return Buffer.concat(pieces);
}

function readMany(bytes: Buffer, from: number, count: number): Reply[] {
  const replies: Reply[] = [];
  let at = from;
  for (let i = 0; i < count; i += 1) {
    const { reply, end } = readReply(bytes, at);
    replies.push(reply);
    at = end;
  }
  return replies;
}

function endOfMany(bytes: Buffer, from: number, count: number): number | undefined {
  let at: number | undefined = from;
  for (let i = 0; i < count && at !== undefined; i += 1) at = replyEnd(bytes, at);
  return at;
}

/** Behind the line that begins at `at`. */
function lineEnd(bytes: Buffer, at: number): number | undefined {
  for (let cr = bytes.indexOf(CR, at); cr >= 0; cr = bytes.indexOf(CR, cr + 1)) {
    if (bytes[cr + 1] === LF) return cr + 2;
  }
  return undefined;
}

function numberAt(bytes: Buffer, from: number, lineEndAt: number): number {
  return Number(bytes.toString('latin1', from, lineEndAt - 2));
}
