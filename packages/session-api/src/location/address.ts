import { BlockList, isIP } from 'node:net';

/** Addresses that say nothing about a place: loopback, private, link-local, shared, documentation, unspecified. */
const unplaced = new BlockList();
for (const [network, prefix] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.2.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 3],
] as const) {
  unplaced.addSubnet(network, prefix, 'ipv4');
}
for (const [network, prefix] of [
  ['::', 127],
  ['fc00::', 7],
  ['fe80::', 10],
  ['ff00::', 8],
  ['2001:db8::', 32],
] as const) {
  unplaced.addSubnet(network, prefix, 'ipv6');
}

const MAPPED = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i;

/** The address in the form databases know, or undefined when it has no place. */
export function publicAddress(address: string): string | undefined {
  const plain = MAPPED.exec(address)?.[1] ?? address;
  switch (isIP(plain)) {
    case 4:
      return unplaced.check(plain, 'ipv4') ? undefined : plain;
    case 6:
      return unplaced.check(plain, 'ipv6') ? undefined : plain;
    default:
      return undefined;
  }
}
