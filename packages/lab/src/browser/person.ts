import type { Browser, BrowserContext, Page } from 'playwright-core';
import { PEER_CONNECTION_PROBE, type RtcReport } from './probe.ts';

export interface PersonOptions {
  readonly url: string;
  readonly room: string;
  readonly name: string;
  readonly region?: string;
  /** What the camera is opened with; `standard` (360p) when not given. libwebrtc sends three layers from 540p on only. */
  readonly quality?: 'high' | 'standard' | 'low';
  /** What its video is sent in; VP8 when not given. */
  readonly codec?: 'vp8' | 'vp9' | 'av1' | 'h264';
  readonly viewport?: { width: number; height: number };
}

export interface TileState {
  readonly sessionId: string;
  readonly name: string;
  readonly nodeId: string;
  readonly region: string;
  readonly muted: boolean;
  readonly hasVideo: boolean;
  /** Of the video element in the tile; null where it shows none. */
  readonly trackId: string | null;
}

/** Id of the track that mediasoup-client makes for mediasoup's bandwidth probing. */
const PROBING_TRACK = 'probator';

/** A person with a browser of their own (a fresh context), in the real web app. */
export class Person {
  readonly page: Page;
  readonly name: string;
  readonly #context: BrowserContext;
  readonly consoleErrors: string[] = [];

  private constructor(page: Page, context: BrowserContext, name: string) {
    this.page = page;
    this.#context = context;
    this.name = name;
    page.on('console', (message) => {
      if (message.type() === 'error') this.consoleErrors.push(message.text());
    });
    page.on('pageerror', (error) => this.consoleErrors.push(String(error)));
  }

  /** Opens the room's page and joins at once. */
  static async join(browser: Browser, options: PersonOptions): Promise<Person> {
    const person = await Person.open(browser, options, { autojoin: true });
    await person.waitUntilJoined();
    return person;
  }

  static async open(browser: Browser, options: PersonOptions, { autojoin }: { autojoin: boolean }): Promise<Person> {
    const context = await browser.newContext({
      viewport: options.viewport ?? { width: 1_280, height: 800 },
      permissions: ['camera', 'microphone'],
    });
    return Person.inContext(context, options, { autojoin });
  }

  /** The same in a browser context that the caller has prepared (and that the person closes in the end). */
  static async inContext(
    context: BrowserContext,
    options: PersonOptions,
    { autojoin }: { autojoin: boolean },
  ): Promise<Person> {
    await context.addInitScript(PEER_CONNECTION_PROBE);
    const page = await context.newPage();
    const person = new Person(page, context, options.name);
    const query = new URLSearchParams({ name: options.name, quality: options.quality ?? 'standard' });
    if (autojoin) query.set('autojoin', '1');
    if (options.region !== undefined) query.set('region', options.region);
    if (options.codec !== undefined) query.set('codec', options.codec);
    await page.goto(`${options.url}/r/${options.room}?${query}`);
    return person;
  }

  async waitUntilJoined(timeoutMs = 30_000): Promise<void> {
    await this.page.getByTestId('leave-button').waitFor({ state: 'visible', timeout: timeoutMs });
  }

  /** Everybody in the room as this page shows them, self included. */
  async tiles(): Promise<TileState[]> {
    return this.page.evaluate('window.__meridianProbe.tiles()') as Promise<TileState[]>;
  }

  async tileOf(name: string): Promise<TileState | undefined> {
    return (await this.tiles()).find((tile) => tile.name.includes(name));
  }

  /** What this browser measures on all its peer connections. */
  async reports(): Promise<RtcReport[]> {
    return this.page.evaluate('window.__meridianProbe.reports()') as Promise<RtcReport[]>;
  }

  /**
   * Frames decoded so far of each incoming video, by track id. mediasoup's own stream for probing the
   * bandwidth is none: it carries no frames.
   */
  async decodedFrames(): Promise<Map<string, number>> {
    const incoming = (await this.reports()).filter(({ type, kind }) => type === 'inbound-rtp' && kind === 'video');
    return new Map(
      incoming.flatMap(({ trackIdentifier, framesDecoded }) =>
        trackIdentifier === undefined || trackIdentifier === PROBING_TRACK
          ? []
          : [[trackIdentifier, framesDecoded ?? 0] as const],
      ),
    );
  }

  /** Frames decoded so far of the video in each of these people's tiles; 0 while there is none. */
  async framesFrom(names: readonly string[]): Promise<number[]> {
    const [tiles, decoded] = [await this.tiles(), await this.decodedFrames()];
    return names.map((name) => {
      const trackId = tiles.find((tile) => tile.name.includes(name))?.trackId;
      return trackId == null ? 0 : (decoded.get(trackId) ?? 0);
    });
  }

  /** Packets and energy of all incoming audio so far. */
  async audioReceived(): Promise<{ packets: number; energy: number; streams: number }> {
    const incoming = (await this.reports()).filter((one) => one.type === 'inbound-rtp' && one.kind === 'audio');
    return {
      packets: incoming.reduce((sum, one) => sum + (one.packetsReceived ?? 0), 0),
      energy: incoming.reduce((sum, one) => sum + (one.totalAudioEnergy ?? 0), 0),
      streams: incoming.length,
    };
  }

  async click(testId: string): Promise<void> {
    await this.page.getByTestId(testId).first().click();
  }

  async say(text: string): Promise<void> {
    const input = this.page.getByTestId('chat-input');
    if (!(await input.isVisible())) await this.click('chat-toggle');
    await input.fill(text);
    await input.press('Enter');
  }

  async chatLines(): Promise<string[]> {
    const lines = this.page.getByTestId('chat-line');
    if (!(await this.page.getByTestId('chat-input').isVisible())) await this.click('chat-toggle');
    return lines.allTextContents();
  }

  async leave(): Promise<void> {
    await this.click('leave-button');
  }

  /** Closes the browser window, as a person would who just closes the tab. */
  async close(): Promise<void> {
    await this.#context.close();
  }
}
