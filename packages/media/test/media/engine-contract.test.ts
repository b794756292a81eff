import { LINGER_MS, mediaEngineContract } from '../support/contract.ts';
import { startEngine } from '../support/engines.ts';

mediaEngineContract('on mediasoup', async () => {
  const engine = await startEngine({ emptyRoomLingerMs: LINGER_MS });
  return {
    engine,
    async killWorker() {
      const { workers } = await engine.dump();
      for (const { pid } of workers) process.kill(pid, 'SIGKILL');
    },
  };
});
