import { once } from 'node:events';
import { connect } from 'node:net';
import { Worker } from 'node:worker_threads';
import { eventually } from '@meridian/harness';
import { ERRORS } from '@meridian/protocol';
import { describe, expect, test } from 'vitest';
import { aNodeRecord, attach, Rig, startRedis } from '../rig.ts';

const withRig = async (env: Record<string, string>, work: (rig: Rig) => Promise<void>) => {
  const redis = await startRedis();
  try {
    const rig = await Rig.start({ redis, env });
    try {
      await work(rig);
    } finally {
      await rig.stop();
    }
  } finally {
    await redis.stop();
  }
};

describe('metrics', () => {
  test('tell what happened: requests, placement, join steps, admissions, errors, Redis, the process', () =>
    withRig({}, async (rig) => {
      const cluster = await rig.cluster();
      await cluster.announce(aNodeRecord('eu1'));
      const { userToken } = await rig.guest();
      const { slug } = await rig.room(userToken);
      const { sessionToken } = await eventually('a node is there', () => rig.session(userToken));
      await rig.codeOf('POST', `/v1/rooms/${slug}/join`, { token: sessionToken, body: {} });
      await attach(cluster, sessionToken);
      await rig.join(sessionToken, slug);
      const text = String((await rig.call('GET', '/metrics')).body);

      for (const series of [
        'meridian_http_request_duration_seconds_count{method="POST",route="/v1/rooms/:slug/join",status="200"} 1',
        'meridian_placement_decisions_total{reason="least-loaded"} 1',
        'meridian_join_step_seconds_count{step="admit"} 1',
        'meridian_join_step_seconds_count{step="find-lease"} 2',
        'meridian_admissions_total{outcome="admitted"} 1',
        'meridian_admissions_total{outcome="not-attached"} 1',
        'meridian_http_errors_total{code="session-not-attached"} 1',
        'meridian_redis_up 1',
      ]) {
        expect(text).toContain(`${series}\n`);
      }
      // Twice where the server had to be shown the script first.
      expect(text).toMatch(
        /meridian_redis_command_duration_seconds_count\{command="rooms\.admit",outcome="ok"\} [12]\n/,
      );
      expect(text).not.toMatch(/command="rooms\.admit",outcome="(?!ok")/);
      expect(text).toContain('meridian_nodejs_eventloop_lag_p99_seconds');
      expect(text).toContain('meridian_process_cpu_seconds_total');
      // Bounded labels: no slug, no id, no address of a request.
      expect(text).not.toContain(slug);
      expect(text).not.toContain('127.0.0.1');
    }));

  test('ask for their token where one is set', () =>
    withRig({ MERIDIAN_METRICS_TOKEN: 'scrape-me' }, async (rig) => {
      expect(await rig.codeOf('GET', '/metrics')).toBe('unauthenticated');
      expect(await rig.codeOf('GET', '/metrics', { token: 'guess' })).toBe('forbidden');
      expect((await rig.call('GET', '/metrics', { token: 'scrape-me' })).status).toBe(200);
    }));

  test('of requests to unknown addresses go under one label', () =>
    withRig({}, async (rig) => {
      await rig.call('GET', '/wp-admin/1');
      await rig.call('GET', '/wp-admin/2');
      const text = String((await rig.call('GET', '/metrics')).body);

      expect(text).not.toContain('wp-admin');
      expect(text).toContain('route="none",status="404"} 2\n');
    }));
});

describe('an outage of Redis', () => {
  test('makes what needs it answer 503 with a time to retry, leaves the rest, and ends by itself', async () => {
    const redis = await startRedis();
    const rig = await Rig.start({ redis });
    try {
      await (await rig.cluster()).announce(aNodeRecord('eu1'));
      const { userToken: token } = await rig.guest();
      const { slug } = await rig.room(token);
      await eventually('a node is there', () => rig.session(token));
      redis.process.kill('SIGSTOP');

      const outage = await eventually('the outage is noticed', () =>
        rig.refused('POST', '/v1/sessions', { token, body: {} }),
      );
      expect(outage).toMatchObject({ status: 503, code: 'cluster-unavailable' });
      // What exactly is out of reach stands in the log alone.
      expect(outage.message).toBe(ERRORS['cluster-unavailable'].message);
      expect(outage.details).toBeUndefined();
      expect(rig.log.join('')).toContain('Redis is out of reach');
      expect(Number(outage.headers.get('retry-after'))).toBeGreaterThan(0);
      await eventually('it is not ready', async () => (await rig.call('GET', '/readyz')).status === 503);
      expect((await rig.call('GET', '/healthz')).status).toBe(200);
      expect((await rig.call('GET', `/v1/rooms/${slug}`, { token })).status).toBe(200);
      await rig.room(token);

      redis.process.kill('SIGCONT');
      await eventually('it is ready again', async () => (await rig.call('GET', '/readyz')).status === 200);
      await eventually('sessions are placed again', () => rig.session(token));
    } finally {
      redis.process.kill('SIGCONT');
      await rig.stop();
      await redis.stop();
    }
  });
});

describe('starting and stopping', () => {
  test('a busy port is a clear error, and nothing stays open', () =>
    withRig({}, async (rig) => {
      await expect(
        Rig.start({ redis: rig.redis, env: { MERIDIAN_HTTP_PORT: String(rig.api.port) } }),
      ).rejects.toMatchObject({ code: 'config-invalid', message: expect.stringContaining('MERIDIAN_HTTP_PORT') });
    }));

  test('closing twice is closing once, and afterwards nobody listens', () =>
    withRig({}, async (rig) => {
      const { url } = rig.api;
      await Promise.all([rig.api.close(), rig.api.close()]);

      await expect(fetch(`${url}/healthz`)).rejects.toThrow();
    }));

  test('on its way out it says so, serves on, and closes every connection with its answer', () =>
    withRig({}, async (rig) => {
      const { url } = rig.api;
      const ready = await fetch(`${url}/readyz`);
      expect([ready.status, ready.headers.get('connection')]).toEqual([200, 'keep-alive']);

      const closed = rig.api.close({ delayMs: 60_000 });

      const leaving = await fetch(`${url}/readyz`);
      expect([leaving.status, leaving.headers.get('connection')]).toEqual([503, 'close']);
      expect(await leaving.json()).toMatchObject({ status: 'stopping' });
      const entered = await rig.call('POST', '/v1/guests', { body: { name: 'Ann' } });
      expect(entered.status).toBe(201);
      // A second call does not wait any longer.
      await rig.api.close();
      await closed;
      await expect(fetch(`${url}/healthz`)).rejects.toThrow();
    }));

  test('in its last moments it leaves to others what may be sent again, and answers the rest', () =>
    withRig({}, async (rig) => {
      const body = JSON.stringify({ name: 'Ann' });
      const head = `host: x\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n`;
      const get = await halfARequest(rig.api.port, 'GET /v1/openapi.json HTTP/1.1\r\nhost: x\r\n');
      const post = await halfARequest(rig.api.port, `POST /v1/guests HTTP/1.1\r\n${head}`);

      const closed = rig.api.close({ delayMs: 1 });
      // Asked seldom, since it waits until nobody comes.
      const isOver = () =>
        fetch(`${rig.api.url}/healthz`).then(
          () => false,
          () => true,
        );
      await eventually('nobody listens', isOver, { everyMs: 500 });

      expect(await get.complete('\r\n')).toBe('');
      expect(await post.complete(`\r\n${body}`)).toBe('HTTP/1.1 201 Created');
      await closed;
    }));

  test('who waits to be accepted when it closes is answered', () =>
    withRig({}, async (rig) => {
      const people = 12;
      const connected = new Int32Array(new SharedArrayBuffer(4));
      const crowd = new Worker(CROWD, { eval: true, workerData: { port: rig.api.port, people, connected } });
      const answers = once(crowd, 'message');
      await once(crowd, 'online');

      const closed = rig.api.close({ delayMs: 1 });
      // Nobody is accepted in this time, as after a long turn of the loop; the delay is over then.
      for (let there = 0; there < people; there = Atomics.load(connected, 0)) {
        expect(Atomics.wait(connected, 0, there, 10_000)).not.toBe('timed-out');
      }

      expect((await answers)[0]).toEqual(Array.from({ length: people }, () => 'HTTP/1.1 201 Created'));
      await closed;
      await crowd.terminate();
    }));

  test('users and rooms are there after a restart', async () => {
    const redis = await startRedis();
    const first = await Rig.start({ redis });
    try {
      const { userToken } = await first.account('Ann');
      const { slug } = await first.room(userToken);
      await first.api.close();
      const second = await Rig.start({ redis, beside: first });

      expect((await second.call('GET', `/v1/rooms/${slug}`, { token: userToken })).status).toBe(200);
      await second.api.close();
    } finally {
      await first.stop();
      await redis.stop();
    }
  });
});

/** A connection on which the beginning of a request has arrived; `complete` sends the rest and tells the first line of the answer. */
async function halfARequest(port: number, beginning: string) {
  const socket = connect(port, '127.0.0.1');
  let answer = '';
  socket.on('data', (chunk: Buffer) => {
    answer += chunk.toString();
  });
  const ended = new Promise<void>((resolve) => {
    socket.once('error', () => resolve());
    socket.once('close', () => resolve());
  });
  await once(socket, 'connect');
  socket.write(beginning);
  return {
    async complete(rest: string): Promise<string | undefined> {
      socket.write(rest);
      await ended;
      return answer.split('\r\n')[0];
    },
  };
}

/** People, in a thread of their own, who connect at once and enter; tells the first line that each of them gets. */
const CROWD = `
const { connect } = require('node:net');
const { parentPort, workerData: { port, people, connected } } = require('node:worker_threads');
const body = JSON.stringify({ name: 'Ann' });
const request = 'POST /v1/guests HTTP/1.1\\r\\nhost: x\\r\\ncontent-type: application/json\\r\\n' +
  'content-length: ' + body.length + '\\r\\n\\r\\n' + body;
const enter = () => new Promise((resolve) => {
  let answer = '';
  const socket = connect(port, '127.0.0.1', () => socket.write(request, () => {
    Atomics.add(connected, 0, 1);
    Atomics.notify(connected, 0);
  }));
  socket.on('data', (chunk) => { answer += chunk; });
  socket.on('error', (error) => resolve(error.code));
  socket.on('close', () => resolve(answer.split('\\r\\n')[0]));
});
Promise.all(Array.from({ length: people }, enter)).then((answers) => parentPort.postMessage(answers));
`;
