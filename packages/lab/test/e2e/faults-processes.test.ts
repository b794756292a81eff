import { describe, test } from 'vitest';
import { faultStage } from './fault-stage.ts';

describe('a process of the cluster goes in the middle of a call', () => {
  const stage = faultStage('plain');

  test('a node is killed: its people are back by themselves on another one, once each', () =>
    stage.strike('node-kill'));

  test('a media worker is killed: its rooms have media again', () => stage.strike('worker-kill'));

  test('the session service is killed: the call goes on', () => stage.strike('session-service'));

  test('a node is drained: its people move, and the others see nobody leave', () => stage.strike('drain'));

  test('a node has no file descriptor left: it refuses, runs on and recovers', () => stage.strike('file-descriptors'));
});
