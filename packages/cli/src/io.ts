/** What a command sees of the world, so that tests can be the world. */
export interface Io {
  /** Results: to stdout, with a line break added. */
  readonly out: (text: string) => void;
  /** Warnings and errors: to stderr, with a line break added. */
  readonly err: (text: string) => void;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** The exit code, unless the command throws. */
  readonly exit: (code: ExitCode) => void;
}

/** How a command ended. */
export const EXIT = {
  ok: 0,
  /** It could not be done, or only in part (a node did not answer). */
  failed: 1,
  /** The command line or the configuration is wrong. */
  usage: 2,
} as const;
export type ExitCode = (typeof EXIT)[keyof typeof EXIT];
