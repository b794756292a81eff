import { Client } from './client.ts';
import { pageMs } from './clock.ts';
import type { ClientTask } from './contract.ts';

/** The page of one client. The recorder drives it by this object. */
const lab = {
  now: () => pageMs(),
  client: undefined as Client | undefined,
  async start(task: ClientTask): Promise<void> {
    lab.client = new Client(task);
    await lab.client.start('/assets/ticks.js');
  },
};

declare global {
  interface Window {
    meridianLab: typeof lab;
  }
}
window.meridianLab = lab;
