import { Store } from './store.ts';

export type Route =
  | { readonly name: 'home' }
  /** `key` changes with every visit, so that opening the same room again starts afresh. */
  | { readonly name: 'room'; readonly slug: string; readonly key: string }
  | { readonly name: 'nowhere' };

let visits = 0;

function read(): Route {
  const { pathname } = window.location;
  if (pathname === '/') return { name: 'home' };
  const slug = /^\/r\/([^/]+)\/?$/.exec(pathname)?.[1];
  if (slug === undefined) return { name: 'nowhere' };
  visits += 1;
  return { name: 'room', slug: decodeURIComponent(slug).toLowerCase(), key: `${slug}#${visits}` };
}

/** Where the address bar points. */
export const route = new Store<Route>(read());

window.addEventListener('popstate', () => route.set(read()));

export function navigate(path: string): void {
  window.history.pushState(null, '', path);
  route.set(read());
  window.scrollTo(0, 0);
}

/** The same address from the beginning. */
export function revisit(): void {
  route.set(read());
}
