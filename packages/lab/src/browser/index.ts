export { launchChromium } from './chromium.ts';
export { Person, type PersonOptions, type TileState } from './person.ts';
export type { RtcReport } from './probe.ts';
