import { eventually } from '@meridian/harness';
import { NodeId } from '@meridian/protocol';
import { nowMs } from '../call.ts';
import { check, type Fault } from '../fault.ts';
import { newcomersGetIn, nodesAnswerTheirPages, workersOf } from '../newcomer.ts';
import type { Recording } from '../recorder.ts';

export const nodeKill: Fault = {
  id: 'node-kill',
  title: 'a node is killed (SIGKILL)',
  stage: 'plain',
  media: 'back',
  limitMs: 3_000,
  async strike(call) {
    const nodeId = await call.nodeOf('Chi');
    const victims = await call.namesOn(nodeId);
    const faultMs = nowMs();
    call.stage.cluster.node(nodeId).child.signal('SIGKILL');
    return { faultMs, victims, checks: [] };
  },
  async restore({ stage }) {
    for (const [nodeId, { child }] of stage.cluster.nodes) {
      if (!child.running) await stage.cluster.restartNode(nodeId);
    }
  },
};

export const workerKill: Fault = {
  id: 'worker-kill',
  title: 'a media worker is killed (SIGKILL)',
  stage: 'plain',
  media: 'back',
  limitMs: 2_000,
  async strike(call) {
    const nodeId = await call.nodeOf('Chi');
    const victims = await call.namesOn(nodeId);
    const [worker] = await workersOf(call.stage.cluster.node(nodeId).child.pid);
    if (worker === undefined) throw new Error(`${nodeId} has no media worker`);
    const faultMs = nowMs();
    process.kill(worker, 'SIGKILL');
    return { faultMs, victims, checks: [] };
  },
};

export const sessionService: Fault = {
  id: 'session-service',
  title: 'the session service is killed and started again',
  stage: 'plain',
  media: 'kept',
  async strike(call, { quick }) {
    const { cluster } = call.stage;
    const faultMs = nowMs();
    cluster.sessionApi.signal('SIGKILL');
    await cluster.sessionApi.exited();
    const checks = [
      await check('nodes answer their pages meanwhile', () => nodesAnswerTheirPages(call, ['Anna', 'Binh', 'Chi'])),
    ];
    await new Promise((resolve) => setTimeout(resolve, quick ? 500 : 5_000));
    await cluster.restartSessionApi();
    const mendedMs = nowMs();
    checks.push(await check('newcomers get in afterwards', () => newcomersGetIn(call)));
    return { faultMs, mendedMs, victims: [], checks };
  },
};

export const drain: Fault = {
  id: 'drain',
  title: 'a node is drained',
  stage: 'plain',
  media: 'kept',
  limitMs: 100,
  async strike(call) {
    const nodeId = await call.nodeOf('Chi');
    const victims = await call.namesOn(nodeId);
    const asker = await call.stage.state.inbox(NodeId.parse('lab-drain'));
    try {
      const faultMs = nowMs();
      await asker.request(nodeId, 'node.drain', { action: 'start', deadlineMs: 30_000 });
      const checks = [
        await check('everybody has moved', () =>
          eventually('everybody has moved', async () => (await call.namesOn(nodeId)).length === 0, {
            withinMs: 30_000,
          }),
        ),
        await check('nobody had to rejoin', async () => {
          const { drain: progress } = await asker.request(nodeId, 'node.drain', { action: 'status' });
          if (progress?.moved !== victims.length) throw new Error(`${progress?.moved ?? 0} of ${victims.length} moved`);
        }),
      ];
      const checkRecordings = (recordings: ReadonlyMap<string, Recording>) =>
        check('the others saw nobody leave', async () => {
          for (const [name, { signals }] of recordings) {
            const left = signals.filter(({ event, atMs }) => event === 'participant-left' && atMs > faultMs);
            if (left.length > 0) throw new Error(`${name} was told of ${left.length} leaves`);
          }
        });
      return { faultMs, mendedMs: nowMs(), victims, checks, checkRecordings };
    } finally {
      await asker.close();
    }
  },
  async restore({ stage }) {
    const asker = await stage.state.inbox(NodeId.parse('lab-drain'));
    try {
      for (const nodeId of stage.cluster.nodes.keys()) {
        await asker.request(NodeId.parse(nodeId), 'node.drain', { action: 'cancel' });
      }
    } finally {
      await asker.close();
    }
  },
};

export const processFaults: readonly Fault[] = [nodeKill, workerKill, sessionService, drain];
