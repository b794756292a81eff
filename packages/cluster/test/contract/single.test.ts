import { afterAll, beforeAll, describe } from 'vitest';
import { type Backend, startBackend } from '../support/backend.ts';
import { suites } from './suites/index.ts';

let backend: Backend;
beforeAll(async () => {
  backend = await startBackend('single');
});
afterAll(() => backend?.stop());

describe('on a single Redis', () => {
  for (const suite of suites) suite(() => backend);
});
