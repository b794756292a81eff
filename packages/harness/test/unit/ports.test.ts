import { expect, test } from 'vitest';
import { freePort } from '../../src/index.ts';

test('nobody is given a port that somebody else was given and does not listen on yet', async () => {
  const ports = await Promise.all(Array.from({ length: 400 }, freePort));
  expect(new Set(ports).size).toBe(400);
});
