import type { Browser, BrowserContext, Page } from 'playwright-core';
import { z } from 'zod';
import { detourScript } from '../../browser/detour.ts';
import { type ClientTask, KeptFrame, PageNews } from '../page/contract.ts';
import type { MachineLoad } from '../record/schema.ts';
import { askClock } from './clock.ts';
import type { LocalMember } from './open-member.ts';
import { type PageFiles, servePage } from './page-files.ts';

export interface PageSurroundings {
  /** Ports of the emulator instead of the servers' own. */
  readonly detour?: Parameters<typeof detourScript>[0];
  /** The page itself, where the session service serves the ordinary web app. */
  readonly files?: PageFiles;
}

/** One client of a run on this machine: a page of its own in a browser context of its own. */
export class ClientPage implements LocalMember {
  readonly name: string;
  readonly remote = false;
  readonly errors: string[] = [];
  readonly #context: BrowserContext;
  readonly #page: Page;
  readonly #task: ClientTask;

  private constructor(context: BrowserContext, page: Page, task: ClientTask) {
    this.#context = context;
    this.#page = page;
    this.#task = task;
    this.name = task.name;
    page.on('console', (message) => {
      if (message.type() === 'error') this.errors.push(message.text());
    });
    page.on('pageerror', (error) => this.errors.push(String(error)));
  }

  /** Loads the page; `start` joins. */
  static async open(browser: Browser, task: ClientTask, { detour, files }: PageSurroundings = {}): Promise<ClientPage> {
    const context = await browser.newContext({ viewport: { width: 1_280, height: 800 } });
    try {
      if (detour !== undefined) await context.addInitScript(detourScript(detour));
      const served = files === undefined ? undefined : await servePage(context, new URL(task.url).origin, files);
      const page = await context.newPage();
      const client = new ClientPage(context, page, task);
      await page.goto(task.url);
      await page.waitForFunction('window.meridianLab !== undefined');
      if (served !== undefined) {
        await page.evaluate('window.meridianLab.fetchWorklets()');
        // Asking us for every request would make the join slower than it is.
        await served.stop();
      }
      return client;
    } catch (error) {
      await context.close();
      throw error;
    }
  }

  /** @throws Error with what the SDK's `join` threw */
  async start(): Promise<void> {
    await this.#page.evaluate(`window.meridianLab.start(${JSON.stringify(this.#task)})`);
  }

  /** How far the page's clock is ahead of ours: of some questions, the one answered soonest. */
  async clock(): Promise<{ offsetMs: number; uncertaintyMs: number }> {
    return askClock(() => this.now());
  }

  /** Milliseconds since 1970 by the page's clock. */
  async now(): Promise<number> {
    return z.number().parse(await this.#page.evaluate('window.meridianLab.now()'));
  }

  async news(): Promise<PageNews> {
    return PageNews.parse(await this.#page.evaluate('window.meridianLab.client.takeNews()'));
  }

  async keepPictures(): Promise<void> {
    await this.#page.evaluate('window.meridianLab.client.keepPictures()');
  }

  async keptPictures(): Promise<KeptFrame[]> {
    return z.array(KeptFrame).parse(await this.#page.evaluate('window.meridianLab.client.keptPictures()'));
  }

  async drawAgain(frames: readonly number[]): Promise<KeptFrame[]> {
    const drawn = await this.#page.evaluate(`window.meridianLab.client.drawAgain(${JSON.stringify(frames)})`);
    return z.array(KeptFrame).parse(drawn);
  }

  /** The recorder measures its own machine. */
  async load(): Promise<Omit<MachineLoad, 'atMs'> | undefined> {
    return undefined;
  }

  /** Leaves the room as a person would. */
  async leave(): Promise<void> {
    await this.#page.evaluate('window.meridianLab.client.stop()');
  }

  async close(): Promise<void> {
    await this.#context.close();
  }
}
