import { afterEach, beforeEach, describe } from 'vitest';
import { participantSuite } from './contract/participants.ts';
import { relayEndSuite } from './contract/relay-ends.ts';
import { roomSuite } from './contract/rooms.ts';
import { type EngineUnderTest, type Stage, setStage } from './contract/stage.ts';

/** How long an empty room of an engine under test lingers, milliseconds: short, for it is waited for. */
export const LINGER_MS = 100;

/** What every media engine does, whatever it stands on; it needs no packet to flow. */
export function mediaEngineContract(name: string, start: () => Promise<EngineUnderTest>): void {
  describe(`a media engine (${name})`, () => {
    let under: EngineUnderTest;
    let stage: Stage;

    beforeEach(async () => {
      under = await start();
      stage = await setStage(under);
    });

    afterEach(async () => {
      await under.engine.close();
    });

    roomSuite(() => stage);
    participantSuite(() => stage);
    relayEndSuite(() => stage, start);
  });
}
