import type { Store, StoreOptions } from '../../src/index.ts';

/** An adapter under the contract suite. Every `Database` is empty at first and private to its test file. */
export interface Subject {
  readonly name: string;
  create(): Promise<Database>;
}

export interface Database {
  readonly url: string;
  /** Why concurrent updates of one record cannot be asked of this server; undefined where they can. */
  readonly updatesNotAtomic: string | undefined;
  /** Opens one more store on the same data. */
  open(options?: StoreOptions): Promise<Store>;
  /** Closes what was opened and removes the data. */
  remove(): Promise<void>;
}
