import type { SessionId } from '@meridian/protocol';
import type { MediaEngine, ParticipantMedia, RoomMedia } from '../../../src/index.ts';
import { newRoomId, newSessionId } from '../engines.ts';

export interface EngineUnderTest {
  readonly engine: MediaEngine;
  /** Kills the worker process of the room, or does what that does. */
  killWorker(room: RoomMedia): Promise<void>;
}

/** What a test of the contract finds: an engine of its own with a room in it. */
export interface Stage {
  readonly under: EngineUnderTest;
  readonly engine: MediaEngine;
  readonly room: RoomMedia;
  /** Into the room of the test unless another one is given. */
  readonly join: (where?: RoomMedia, sessionId?: SessionId) => Promise<ParticipantMedia>;
}

export async function setStage(under: EngineUnderTest): Promise<Stage> {
  const { engine } = under;
  const room = await engine.openRoom(newRoomId());
  return {
    under,
    engine,
    room,
    join: (where = room, sessionId = newSessionId()) =>
      where.openParticipant({ sessionId, rtpCapabilities: engine.routerRtpCapabilities }),
  };
}
