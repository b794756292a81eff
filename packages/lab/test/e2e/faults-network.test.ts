import { describe, test } from 'vitest';
import { faultStage } from './fault-stage.ts';

describe('the network fails in the middle of a call', () => {
  const stage = faultStage('gates');

  test("somebody's WebSocket is cut: the session is resumed with all its media", () => stage.strike('websocket-cut'));

  test('a node is cut off from the others: each side goes on, and they find together again', () =>
    stage.strike('partition'));

  test('pipes carry nothing any more: their relays are shown as down, and come back with the network', () =>
    stage.strike('dead-pipes'));
});
