import type { ReplyData } from '@meridian/protocol';

/** Loopback ports that lead to others: announced port -> the one to use instead. */
export interface Detour {
  readonly tcp: Readonly<Record<number, number>>;
  readonly udp: Readonly<Record<number, number>>;
}

export function detouredUrl(address: string, detour: Detour | undefined): string {
  const url = new URL(address);
  const port = detour?.tcp[Number(url.port)];
  if (port !== undefined) url.port = String(port);
  return url.href;
}

type Transport = ReplyData<'join'>['sendTransport'];

/** A light peer takes UDP candidates only. */
export const detouredTransport = (transport: Transport, detour: Detour | undefined): Transport => ({
  ...transport,
  iceCandidates: transport.iceCandidates.map((candidate) =>
    candidate.protocol === 'udp' ? { ...candidate, port: detour?.udp[candidate.port] ?? candidate.port } : candidate,
  ),
});
