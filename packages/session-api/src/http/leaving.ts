import type { FastifyReply, FastifyRequest } from 'fastify';

/**
 * Whether the service is on its way out. From then on it is not ready, and every answer closes its connection, so that
 * whoever balances requests takes it out before it stops listening: no request meets a closed door.
 *
 * Who does not ask whether it is ready goes on sending, as nginx does, and what arrives in the very moment in which the
 * listener closes is reset. So in its last moments it turns away what may be sent again: a GET gets no answer and its
 * connection is closed. Its sender repeats it elsewhere, and leaves this instance out for a while.
 */
export class Leaving {
  #began = false;
  #turnsAway = false;

  get began(): boolean {
    return this.#began;
  }

  begin(): void {
    this.#began = true;
  }

  /** The last moments have come. */
  turnAway(): void {
    this.#turnsAway = true;
  }

  /** Closes the connection of a request that may be sent again. Returns whether it was one. */
  turnedAway(request: FastifyRequest, reply: FastifyReply): boolean {
    if (!this.#turnsAway || (request.method !== 'GET' && request.method !== 'HEAD')) return false;
    reply.hijack();
    request.raw.socket.destroy();
    return true;
  }
}
