import type { ClientKind, Sent } from './schema.ts';

/** What a scenario may not ask of light peers; the codes stay as they are. */
export type LightProblemCode = 'light-codec' | 'light-simulcast' | 'light-measured' | 'light-unmeasured';

export interface LightProblem {
  readonly code: LightProblemCode;
  readonly path: readonly string[];
  readonly message: string;
}

interface Clients {
  readonly clients: Readonly<Record<string, { readonly kind: ClientKind; readonly sends?: Sent | undefined }>>;
  readonly sends: Sent;
}

/** Light peers play one layer of a VP8 recording and decode nothing: what they get cannot be timed. */
export function lightProblems({ clients, sends }: Clients): LightProblem[] {
  const problems: LightProblem[] = [];
  const pages = Object.entries(clients).filter(([, { kind }]) => kind === 'page');
  const lights = Object.entries(clients).filter(([, { kind }]) => kind === 'light');
  if (lights.length === 0) return [];
  for (const [name, client] of lights) {
    const { video } = client.sends ?? sends;
    if (video === null) continue;
    const path = ['clients', name, ...(client.sends === undefined ? [] : ['sends', 'video'])];
    const own = client.sends === undefined ? ', so it needs "sends" of its own' : '';
    if (video.codec !== 'vp8') {
      problems.push({ code: 'light-codec', path, message: `a light peer sends vp8, not ${video.codec}${own}` });
    }
    if (video.simulcast) {
      problems.push({
        code: 'light-simulcast',
        path,
        message: `a light peer sends one layer, which needs "simulcast: false"${own}`,
      });
    }
  }
  if (pages.length < 2) {
    problems.push({
      code: 'light-measured',
      path: ['clients'],
      message: 'latency, freezes and pictures cannot be measured at light peers: at least two clients must be pages',
    });
  } else if (pages.every(([, client]) => !sendsAnything(client.sends ?? sends))) {
    problems.push({
      code: 'light-unmeasured',
      path: ['clients'],
      message: 'no page sends anything, and what light peers send is not timed: one page must send',
    });
  }
  return problems;
}

const sendsAnything = ({ video, audio }: Sent): boolean => video !== null || audio;
