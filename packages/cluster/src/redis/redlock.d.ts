/**
 * redlock's own types are out of reach for modern module resolution (its `exports` names none) and were written
 * for ioredis 4. This is the part that locks.ts uses, against the two commands redlock asks of a client.
 */
declare module 'redlock' {
  interface LockClient {
    evalsha(sha: string, keyCount: number, args: (string | number)[]): Promise<unknown>;
    eval(lua: string, keyCount: number, args: (string | number)[]): Promise<unknown>;
  }

  interface ExecutionStats {
    readonly votesFor: Set<LockClient>;
    readonly votesAgainst: Map<LockClient, Error>;
  }

  interface Settings {
    readonly driftFactor: number;
    readonly retryCount: number;
    readonly retryDelay: number;
    readonly retryJitter: number;
    readonly automaticExtensionThreshold: number;
  }

  class ResourceLockedError extends Error {}

  class ExecutionError extends Error {
    readonly attempts: ReadonlyArray<Promise<ExecutionStats>>;
  }

  class Lock {
    readonly value: string;
    /** Milliseconds since 1970 by the clock of this process. */
    readonly expiration: number;
    extend(duration: number): Promise<Lock>;
    release(): Promise<unknown>;
  }

  class Redlock {
    constructor(clients: Iterable<LockClient>, settings?: Partial<Settings>);
    acquire(resources: string[], duration: number): Promise<Lock>;
  }

  export { ExecutionError, Lock, type LockClient, Redlock as default, ResourceLockedError, type Settings };
}
