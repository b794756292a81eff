import { keyOf, type RelayItem } from './relay-item.ts';

/** What a puller does next about one origin, so that what it has becomes what is wanted. */
export type RelayStep =
  | { readonly kind: 'rest' }
  | { readonly kind: 'close' }
  | { readonly kind: 'open'; readonly items: RelayItem[] }
  | { readonly kind: 'pull'; readonly items: RelayItem[] }
  | { readonly kind: 'unpull'; readonly items: RelayItem[] };

export interface RelayState {
  readonly wanted: ReadonlyMap<string, { readonly item: RelayItem }>;
  /** undefined without an open link. */
  readonly link:
    | {
        /** What runs over the link and can be consumed here. */
        readonly carried: ReadonlyMap<string, RelayItem>;
        /** What the origin may be sending though nobody takes it here. */
        readonly leftover: ReadonlyMap<string, RelayItem>;
      }
    | undefined;
  /** It failed a moment ago: it is not pulled now. */
  rests(key: string): boolean;
}

/** One request carries so many at most; the rest goes with the next. */
export const MOST_ITEMS_PER_REQUEST = 512;

export function nextStep({ wanted, link, rests }: RelayState): RelayStep {
  if (link === undefined) {
    if (wanted.size === 0) return { kind: 'rest' };
    return { kind: 'open', items: first([...wanted.values()].map((want) => want.item)) };
  }
  if (wanted.size === 0) return { kind: 'close' };
  const missing = [...wanted.values()]
    .map((want) => want.item)
    .filter((item) => !link.carried.has(keyOf(item)) && !rests(keyOf(item)));
  if (missing.length > 0) return { kind: 'pull', items: first(missing) };
  const surplus = [...link.carried, ...link.leftover].filter(([key]) => !wanted.has(key)).map(([, item]) => item);
  if (surplus.length > 0) return { kind: 'unpull', items: first(surplus) };
  return { kind: 'rest' };
}

const first = (items: RelayItem[]): RelayItem[] => items.slice(0, MOST_ITEMS_PER_REQUEST);
