import type { Admission } from '@meridian/cluster';
import type { ErrorCode, PlacementReason } from '@meridian/protocol';
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

/** Parts of a join that this service does; what a node does of it stands in its `meridian_join_seconds`. */
export type JoinStep = 'rank-nodes' | 'place' | 'reserve' | 'find-lease' | 'check-policy' | 'admit';
export type PlacementOutcome = PlacementReason | 'no-healthy-node' | 'region-unavailable';
type Refusal = Exclude<Admission, { admitted: true }>['reason'];
export type AdmissionOutcome = 'admitted' | Refusal | 'not-attached';

/** Everything this service reports. All labels are bounded: never an id of a room, session or user. */
export class Metrics {
  readonly registry = new Registry();

  readonly #http = this.#histogram({
    name: 'meridian_http_request_duration_seconds',
    help: 'Time to answer an HTTP request, by route pattern.',
    labelNames: ['method', 'route', 'status'] as const,
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
  });
  readonly #joinSteps = this.#histogram({
    name: 'meridian_join_step_seconds',
    help: 'Time that one step of a join took.',
    labelNames: ['step'] as const,
    buckets: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5],
  });
  readonly #redis = this.#histogram({
    name: 'meridian_redis_command_duration_seconds',
    help: 'Time from sending a command to Redis to its answer.',
    labelNames: ['command', 'outcome'] as const,
    buckets: [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 2],
  });
  readonly #placements = this.#counter('meridian_placement_decisions_total', 'Placement decisions, by reason.', [
    'reason',
  ]);
  readonly #admissions = this.#counter('meridian_admissions_total', 'Requests for a place in a room, by outcome.', [
    'outcome',
  ]);
  readonly #errors = this.#counter('meridian_http_errors_total', 'Requests answered with an error, by its code.', [
    'code',
  ]);
  readonly #chatLines = this.#counter('meridian_chat_lines_stored_total', 'Chat lines written to the store.', []);
  readonly #unshared = this.#counter(
    'meridian_limits_unshared_total',
    'Times a limit could not be counted together with the other instances.',
    [],
  );
  readonly #revocations = this.#histogram({
    name: 'meridian_revocation_seconds',
    help: 'From a log-out everywhere until every live node had ended the sessions.',
    labelNames: [] as const,
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 15, 60],
  });
  readonly #redisUp = this.#gauge('meridian_redis_up', '1 while Redis can be commanded.');
  readonly #storeUp = this.#gauge('meridian_store_up', '1 while the database answers.');
  readonly #remembered = new Counter({
    name: 'meridian_store_remembered_total',
    help: 'Reads answered from memory because the database was away.',
    registers: [this.registry],
  });

  constructor(sources: { passwordsPending: () => number }) {
    // Process CPU, memory, handles, garbage collection and the delay of the event loop.
    collectDefaultMetrics({ register: this.registry, prefix: 'meridian_' });
    this.#gauge('meridian_passwords_pending', 'Passwords being hashed or waiting for it.', sources.passwordsPending);
  }

  request(labels: { method: string; route: string; status: number }, seconds: number): void {
    this.#http.observe(labels, seconds);
  }

  error(code: ErrorCode): void {
    this.#errors.inc({ code });
  }

  placement(reason: PlacementOutcome): void {
    this.#placements.inc({ reason });
  }

  admission(outcome: AdmissionOutcome): void {
    this.#admissions.inc({ outcome });
  }

  chatLinesStored(lines: number): void {
    this.#chatLines.inc(lines);
  }

  limitUnshared(): void {
    this.#unshared.inc();
  }

  revocation(seconds: number): void {
    this.#revocations.observe(seconds);
  }

  redisCommand(command: string, ms: number, ok: boolean): void {
    this.#redis.observe({ command, outcome: ok ? 'ok' : 'failed' }, ms / 1_000);
  }

  /** Asked at every scrape. */
  clockOffset(seconds: () => number): void {
    new Gauge({
      name: 'meridian_clock_offset_seconds',
      help: "What this machine's clock lacks to be that of Redis.",
      registers: [this.registry],
      collect() {
        this.set(seconds());
      },
    });
  }

  storeUp(up: boolean): void {
    this.#storeUp.set(up ? 1 : 0);
  }

  remembered(): void {
    this.#remembered.inc();
  }

  redisUp(up: boolean): void {
    this.#redisUp.set(up ? 1 : 0);
  }

  /** Runs a step of a join and measures it, whether it succeeds or not. */
  async step<T>(step: JoinStep, work: () => Promise<T>): Promise<T> {
    const end = this.#joinSteps.startTimer({ step });
    try {
      return await work();
    } finally {
      end();
    }
  }

  #histogram<L extends string>(config: { name: string; help: string; labelNames: readonly L[]; buckets: number[] }) {
    return new Histogram<L>({ ...config, registers: [this.registry] });
  }

  #counter<L extends string>(name: string, help: string, labelNames: readonly L[]) {
    return new Counter<L>({ name, help, labelNames, registers: [this.registry] });
  }

  #gauge(name: string, help: string, read?: () => number) {
    return new Gauge({
      name,
      help,
      registers: [this.registry],
      ...(read && {
        collect() {
          this.set(read());
        },
      }),
    });
  }
}
