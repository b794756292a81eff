import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { launchChromium } from '../../browser/chromium.ts';
import { buildPage } from '../world/bundle.ts';
import { Agent } from './agent.ts';

const HELP = `pnpm --silent lab client
  Runs a client of an experiment on this machine for "pnpm lab run --cluster" on another one, which starts it:
    pnpm lab run eu-vn.yaml --cluster https://meet.example.org \\
      --client 'binh=ssh -C vn.example.org "cd meridian && pnpm --silent lab client"'
  It is told by standard input what to do, answers on standard output, and ends when its input ends.`;

/** `pnpm lab client`. */
export async function client(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({ args: [...args], options: { help: { type: 'boolean', short: 'h' } } });
  if (values.help || process.stdin.isTTY) {
    console.error(HELP);
    return values.help ? 0 : 2;
  }
  const dir = await mkdtemp(join(tmpdir(), 'meridian-lab-'));
  try {
    await buildPage(dir);
    const browser = await launchChromium();
    try {
      await new Agent({ browser, files: { dir }, input: process.stdin, output: process.stdout }).serve();
    } finally {
      await browser.close();
    }
    return 0;
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}
