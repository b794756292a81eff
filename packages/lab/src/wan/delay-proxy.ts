import { TcpProxy, type TcpProxyOptions } from './drivers/tcp-proxy.ts';
import { UdpProxy } from './drivers/udp-proxy.ts';
import { Link } from './link.ts';
import { LinkSettings } from './model/settings.ts';
import { PreciseScheduler } from './scheduler.ts';

export interface DelayProxy {
  /** Where it listens, on loopback. */
  readonly port: number;
  close(): Promise<void>;
}

/** A TCP relay on loopback that adds `rttMs` to the round trip, half each way; the handshake costs one too. */
export const delayTcp = (targetPort: number, rttMs: number): Promise<DelayProxy> =>
  delayed(targetPort, rttMs, (options) => TcpProxy.open(options));

/** A UDP relay on loopback that adds `rttMs` to the round trip, half each way; one upstream socket per client. */
export const delayUdp = (targetPort: number, rttMs: number): Promise<DelayProxy> =>
  delayed(targetPort, rttMs, (options) => UdpProxy.open(options));

/** Two plain links in this very thread: enough where nothing but a delay is wanted. */
async function delayed(
  port: number,
  rttMs: number,
  open: (options: TcpProxyOptions) => Promise<DelayProxy>,
): Promise<DelayProxy> {
  const scheduler = new PreciseScheduler();
  const settings = LinkSettings.parse({ delayMs: rttMs / 2 });
  const way = (name: string) => [new Link({ name, settings, seed: 0 })];
  const proxy = await open({ scheduler, target: { host: '127.0.0.1', port }, up: way('up'), down: way('down') });
  return {
    port: proxy.port,
    async close() {
      await proxy.close();
      scheduler.close();
    },
  };
}
