import { FakeMediaEngine } from '../../src/fake/index.ts';
import { LINGER_MS, mediaEngineContract } from '../support/contract.ts';

mediaEngineContract('the fake', async () => {
  const engine = new FakeMediaEngine({ emptyRoomLingerMs: LINGER_MS });
  return { engine, killWorker: async () => engine.killWorker() };
});
