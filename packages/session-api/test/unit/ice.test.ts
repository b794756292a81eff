import { createHmac } from 'node:crypto';
import { UserId } from '@meridian/protocol';
import { expect, test } from 'vitest';
import { iceServersFor } from '../../src/ice.ts';

const userId = UserId.parse('u1');
const stunUrls = ['stun:stun.example.org:3478'];
const turnUrls = ['turn:turn.example.org:3478', 'turns:turn.example.org:5349'];

test('without servers there are none', () => {
  expect(iceServersFor({ stunUrls: [], turnUrls: [], credentials: { kind: 'none' } }, userId, 0)).toEqual([]);
});

test('static credentials are the same for everybody', () => {
  const credentials = { kind: 'static', username: 'meridian', credential: 'pass' } as const;

  expect(iceServersFor({ stunUrls, turnUrls, credentials }, userId, 0)).toEqual([
    { urls: stunUrls },
    { urls: turnUrls, username: 'meridian', credential: 'pass' },
  ]);
});

test("time-limited credentials are what coturn's static-auth-secret expects", () => {
  const credentials = { kind: 'time-limited', secret: 'north', ttlS: 600 } as const;
  const [server] = iceServersFor({ stunUrls: [], turnUrls, credentials }, userId, 1_800_000_000_500);

  expect(server?.username).toBe('1800000600:u1');
  expect(server?.credential).toBe(createHmac('sha1', 'north').update('1800000600:u1').digest('base64'));
});
