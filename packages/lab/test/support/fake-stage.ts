import type { Scenario } from '../../src/experiment/scenario/schema.ts';
import type { Stage } from '../../src/experiment/world/stage.ts';

/** A stage on which nothing can be played: for whoever only passes it on. */
export class FakeStage implements Stage {
  readonly scenario: Scenario;
  readonly real = undefined;
  readonly versions = {};
  closed = 0;

  constructor(scenario: Scenario) {
    this.scenario = scenario;
  }

  layWays(): Promise<never> {
    return refuse();
  }

  openRoom(): Promise<never> {
    return refuse();
  }

  figures(): never {
    throw new Error('nothing is played here');
  }

  processes(): Promise<never> {
    return refuse();
  }

  nodeName(nodeId: string): string {
    return nodeId;
  }

  async close(): Promise<void> {
    this.closed += 1;
  }
}

const refuse = (): Promise<never> => Promise.reject(new Error('nothing is played here'));
