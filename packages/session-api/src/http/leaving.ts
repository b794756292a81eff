/**
 * Whether the service is on its way out. From then on it is not ready, and every answer closes its connection, so that
 * whoever balances requests takes it out before it stops listening: no request meets a closed door.
 */
export class Leaving {
  #began = false;

  get began(): boolean {
    return this.#began;
  }

  begin(): void {
    this.#began = true;
  }
}
