/** What the reporter writes and the runner reads: every test of one run with its end. */
export interface VitestReport {
  readonly tests: readonly {
    readonly name: string;
    readonly state: 'passed' | 'failed' | 'skipped' | 'pending';
    /** Why it failed, or the note given to `context.skip(note)`. */
    readonly note: string;
  }[];
  /** Errors outside tests: a file that does not load, a hook that throws, an unhandled rejection. */
  readonly errors: readonly { readonly name: string; readonly why: string }[];
}
