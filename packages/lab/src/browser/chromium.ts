import { existsSync } from 'node:fs';
import { type Browser, chromium } from 'playwright-core';

const CANDIDATES = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

/**
 * Flags for a headless Chromium whose camera and microphone are Chromium's own test pattern and beep.
 * Loopback is allowed as an ICE address, since a test's nodes listen nowhere else.
 */
const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--use-fake-ui-for-media-stream',
  '--allow-loopback-in-peer-connection',
  '--autoplay-policy=no-user-gesture-required',
  // A page in the background keeps its timers: every page of a test counts as looked at.
  '--disable-background-timer-throttling',
  '--disable-backgrounding-occluded-windows',
  '--disable-renderer-backgrounding',
  // Names of candidates as addresses: mDNS needs a network that answers multicast. A page that the lab puts in the web app's place
  // may reach nodes of this machine and network, as the web app may.
  '--disable-features=WebRtcHideLocalIpsWithMdns,MediaRouter,LocalNetworkAccessChecks,LocalNetworkAccessChecksWebSockets',
];

/** @throws Error that says how to get Chromium where there is none. */
export async function launchChromium(
  options: {
    fps?: number;
    args?: readonly string[];
    /** The caller deals with Ctrl-C and closes the browser itself; else Ctrl-C closes it and ends the process. */
    survivesInterrupt?: boolean;
  } = {},
): Promise<Browser> {
  const executablePath = process.env.MERIDIAN_LAB_CHROMIUM ?? CANDIDATES.find((path) => existsSync(path));
  if (executablePath === undefined) {
    throw new Error('Chromium is not installed: run ./scripts/test once, or `apt-get install chromium`.');
  }
  return chromium.launch({
    executablePath,
    headless: true,
    handleSIGINT: options.survivesInterrupt !== true,
    args: [
      ...FLAGS,
      `--use-fake-device-for-media-stream=fps=${options.fps ?? 20},display-media-type=monitor`,
      ...(options.args ?? []),
    ],
  });
}
