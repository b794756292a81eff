import { join } from 'node:path';
import type { BrowserContext } from 'playwright-core';

/** A folder with what `buildPage` made. */
export interface PageFiles {
  readonly dir: string;
}

const TYPES = { html: 'text/html; charset=utf-8', js: 'text/javascript; charset=utf-8' } as const;

/**
 * Puts the lab's page in the place of the web app, for one browser context and inside the browser alone: the session service
 * is not asked for pages of rooms. So the page has the cluster's own origin, and whatever the cluster allows its web app.
 */
export async function servePage(
  context: BrowserContext,
  origin: string,
  { dir }: PageFiles,
): Promise<{ stop(): Promise<void> }> {
  const fileOf = ({ origin: of, pathname }: URL): string | undefined => {
    if (of !== origin) return undefined;
    if (pathname.startsWith('/r/')) return 'index.html';
    return pathname === '/assets/main.js' || pathname === '/assets/ticks.js' ? pathname.slice(1) : undefined;
  };
  const matches = (url: URL) => fileOf(url) !== undefined;
  await context.route(matches, async (route) => {
    const file = fileOf(new URL(route.request().url()));
    if (file === undefined) return route.continue();
    const contentType = file.endsWith('.html') ? TYPES.html : TYPES.js;
    return route.fulfill({ path: join(dir, file), contentType });
  });
  return { stop: () => context.unroute(matches) };
}
