import { Writable } from 'node:stream';
import { expect, test } from 'vitest';
import { createLogger } from '../../src/logger.ts';

test('tokens and passwords are never written out, wherever they stand', () => {
  const lines: string[] = [];
  const sink = new Writable({
    write(chunk: Buffer, _encoding, done) {
      lines.push(chunk.toString());
      done();
    },
  });
  const logger = createLogger({ level: 'trace' }, sink);

  logger.info({ token: 'hunter2' }, 'a');
  logger.info({ body: { password: 'hunter2', previousSessionToken: 'hunter2' } }, 'b');
  logger.info({ req: { headers: { authorization: 'Bearer hunter2' } } }, 'c');
  logger.info({ reply: { session: { sessionToken: 'hunter2' } }, user: { passwordHash: 'hunter2' } }, 'd');

  expect(lines).toHaveLength(4);
  expect(lines.join('')).not.toContain('hunter2');
  expect(lines[0]).toContain('[redacted]');
});
