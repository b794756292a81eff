import { readdir, readFile } from 'node:fs/promises';
import { eventually } from '@meridian/harness';
import { enterAsGuest } from '../light/api.ts';
import { LightParticipant } from '../light/signalling-client.ts';
import type { Call } from './call.ts';

export interface Refusal {
  readonly status: number;
  readonly code: string;
  readonly retryAfterS: number | undefined;
}

/** Entered while all is well: what comes after needs no store for a guest. */
export const newcomer = (call: Call): Promise<string> => enterAsGuest(call.stage.cluster.url, 'Newcomer');

/** Asks for a session. @returns how it was refused; undefined when it was not */
export async function sessionRefusal(call: Call, userToken: string): Promise<Refusal | undefined> {
  const response = await fetch(`${call.stage.cluster.url}/v1/sessions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${userToken}` },
    body: JSON.stringify({ room: call.slug }),
    signal: AbortSignal.timeout(10_000),
  });
  const body = (await response.json()) as { error?: { code?: string } };
  if (response.ok) return undefined;
  const retryAfter = response.headers.get('retry-after');
  return {
    status: response.status,
    code: body.error?.code ?? '',
    retryAfterS: retryAfter === null ? undefined : Number(retryAfter),
  };
}

/** @throws Error unless joins come to be refused with 503 and a time to come back after */
export async function joinsAreRefused(call: Call, userToken: string): Promise<string> {
  return eventually(
    'a join is refused with 503 and a time to come back after',
    async () => {
      const refusal = await sessionRefusal(call, userToken);
      if (refusal === undefined) throw new Error('it was let in');
      const { status, code, retryAfterS } = refusal;
      if (status !== 503 || retryAfterS === undefined)
        throw new Error(`it was answered ${status} ${code} without a time`);
      return `503 ${code}, again after ${retryAfterS} s`;
    },
    { withinMs: 12_000, everyMs: 250 },
  );
}

/** @throws Error unless somebody new gets in in the end, and out again */
export async function newcomersGetIn(
  call: Call,
  { withinMs = 20_000, ...who }: { withinMs?: number; userToken?: string; region?: string } = {},
): Promise<void> {
  await eventually(
    'somebody new gets in',
    async () => {
      const { url } = call.stage.cluster;
      const light = await LightParticipant.join({ url, room: call.slug, name: 'Newcomer', ...who });
      await light.leave();
    },
    { withinMs, everyMs: 250 },
  );
}

/** Each page asks its node something and gets an answer. @throws Error when one gets none */
export async function nodesAnswerTheirPages(call: Call, names: readonly string[]): Promise<void> {
  for (const name of names) {
    const answered = await call
      .person(name)
      .page.evaluate('window.meridian.room.stats().then(({ node }) => node !== null)');
    if (answered !== true) throw new Error(`${name}'s node does not answer`);
  }
}

/** Process ids of the media workers of a node. */
export async function workersOf(nodePid: number): Promise<number[]> {
  const all = (await readdir('/proc')).map(Number).filter(Number.isInteger);
  const isWorker = async (pid: number) => {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
    // "pid (name) state parent ...": the name may hold anything but ends with the last parenthesis.
    const [, parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return stat.includes('(mediasoup-worke') && Number(parent) === nodePid;
  };
  const found = await Promise.all(all.map(isWorker));
  return all.filter((_, index) => found[index]);
}
