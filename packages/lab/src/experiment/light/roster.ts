import type { ReplyData, SessionId } from '@meridian/protocol';
import { type Heard, heardAs } from '../../light/light-connection.ts';

/** Who is behind a session, of everybody who has been in the room. */
export class Roster {
  readonly #names = new Map<SessionId, string>();

  joined({ participants }: ReplyData<'join'>): void {
    for (const { sessionId, name } of participants) this.#names.set(sessionId, name);
  }

  heard(heard: Heard): void {
    const joined = heardAs('participant-joined', heard);
    if (joined !== undefined) this.#names.set(joined.participant.sessionId, joined.participant.name);
  }

  nameOf(sessionId: SessionId): string | undefined {
    return this.#names.get(sessionId);
  }
}
