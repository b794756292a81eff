import { Client } from './client.ts';
import { pageMs } from './clock.ts';
import type { ClientTask } from './contract.ts';

/** The page of one client. The recorder drives it by this object. */
const lab = {
  now: () => pageMs(),
  client: undefined as Client | undefined,
  worklets: '/assets/ticks.js',
  /** For pages whose files cannot be had later: keeps the worklets in this page. */
  async fetchWorklets(): Promise<void> {
    const reply = await fetch(lab.worklets);
    const script = new Blob([await reply.text()], { type: 'text/javascript' });
    lab.worklets = URL.createObjectURL(script);
  },
  async start(task: ClientTask): Promise<void> {
    lab.client = new Client(task);
    await lab.client.start(lab.worklets);
  },
};

declare global {
  interface Window {
    meridianLab: typeof lab;
  }
}
window.meridianLab = lab;
