import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Cluster, NodeInbox } from '@meridian/cluster';
import {
  type BusReplyData,
  type BusRequestData,
  isMeridianError,
  MeridianError,
  type NodeId,
} from '@meridian/protocol';
import { type Command, InvalidArgumentError } from 'commander';
import { type ClusterOptions, lookAtCluster, print, withClusterOptions } from '../cluster-command.ts';
import { EXIT, type Io } from '../io.ts';
import { newAskerId } from '../relays.ts';
import { drainLine, drainResult } from '../render/drain.ts';
import { parseDuration } from '../render/duration.ts';

type Status = BusReplyData<'node.drain'>;

interface DrainOptions extends ClusterOptions {
  readonly deadline?: number;
  readonly spread?: number;
  readonly cancel: boolean;
  readonly watch: boolean;
}

const ASK_EVERY_MS = 500;
/** A node that has just been told to drain may be busy; a person waits so long. Milliseconds. */
const ANSWER_WITHIN_MS = 3_000;

export const durationOption = (value: string): number => {
  const ms = parseDuration(value);
  if (ms === undefined) throw new InvalidArgumentError('a time such as 500ms, 30s, 5m or 1h is needed.');
  return ms;
};

export function registerDrain(program: Command, io: Io): void {
  withClusterOptions(
    program
      .command('drain <node>')
      .description('empty a node: no new sessions, those it has are asked to move; its process goes on')
      .option(
        '--deadline <time>',
        'who is left then is told to join again (default: the MERIDIAN_DRAIN_TIMEOUT_MS of the node)',
        durationOption,
      )
      .option(
        '--spread <time>',
        'from the first who is asked to the last (default: 8 s from one to the next)',
        durationOption,
      )
      .option('--cancel', 'take sessions again; who has moved stays where it is', false)
      .option('--watch', 'go on telling how far it is, until nobody is left', false),
  ).action(async (name: string, options: DrainOptions) => {
    await lookAtCluster(io, options, async (cluster) => {
      const nodeId = await knownNode(cluster, name);
      const inbox = await cluster.inbox(newAskerId(randomUUID));
      try {
        const first = await askDrain(inbox, nodeId, requestOf(options));
        if (!options.watch || options.cancel) {
          print(io, options, { nodeId, ...first }, () => drainLine(nodeId, first, io.now()));
          return;
        }
        await watchDrain(io, options, { inbox, nodeId, first });
      } finally {
        await inbox.close();
      }
    });
  });
}

function requestOf({ cancel, deadline, spread }: DrainOptions): BusRequestData<'node.drain'> {
  if (cancel) return { action: 'cancel' };
  return {
    action: 'start',
    ...(deadline === undefined ? {} : { deadlineMs: deadline }),
    ...(spread === undefined ? {} : { spreadMs: spread }),
  };
}

/** Goes on telling until nobody is left. Returns the last word; undefined when the process has ended. */
export async function watchDrain(
  io: Io,
  options: { json: boolean },
  { inbox, nodeId, first }: { inbox: NodeInbox; nodeId: NodeId; first: Status },
): Promise<Status | undefined> {
  let last = '';
  let status = first;
  for (;;) {
    const line = drainLine(nodeId, status, io.now());
    const facts = JSON.stringify(status);
    if (facts !== last) print(io, options, { nodeId, ...status }, () => line);
    last = facts;
    // Taken back by somebody else, or over.
    if (status.drain === undefined || status.drain.left === 0) break;
    await sleep(ASK_EVERY_MS);
    try {
      status = await askDrain(inbox, nodeId, { action: 'status' });
    } catch (error) {
      if (!isMeridianError(error, 'node-unknown')) throw error;
      if (!options.json) io.out(`${nodeId}: its process has ended`);
      return undefined;
    }
  }
  const { text, complete } = drainResult(nodeId, status);
  if (!options.json) io.out(text);
  if (!complete) io.exit(EXIT.failed);
  return status;
}

/** @throws MeridianError `node-unknown` that names those there are */
async function knownNode(cluster: Cluster, name: string): Promise<NodeId> {
  const known = (await cluster.registry.list()).map(({ record }) => record.nodeId).sort();
  const found = known.find((nodeId) => nodeId === name);
  if (found !== undefined) return found;
  const others = known.length === 0 ? 'none has announced itself lately' : `there are ${known.join(', ')}`;
  throw new MeridianError('node-unknown', { message: `there is no live node "${name}": ${others}` });
}

/** @throws MeridianError in words for whoever typed the command */
export async function askDrain(
  inbox: NodeInbox,
  nodeId: NodeId,
  request: BusRequestData<'node.drain'>,
): Promise<Status> {
  try {
    return await inbox.request(nodeId, 'node.drain', request, { ttlMs: ANSWER_WITHIN_MS });
  } catch (error) {
    if (!isMeridianError(error, 'deadline-exceeded')) throw error;
    throw new MeridianError('deadline-exceeded', {
      message: `${nodeId} does not answer (${ANSWER_WITHIN_MS / 1_000} s); look at it with: meridian nodes`,
      cause: error,
    });
  }
}
