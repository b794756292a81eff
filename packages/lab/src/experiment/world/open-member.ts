import { assertNever } from '@meridian/protocol';
import type { Browser } from 'playwright-core';
import type { Detour } from '../../light/detour.ts';
import { LightMember } from '../light/light-member.ts';
import type { Recordings } from '../light/recordings.ts';
import type { ClientTask } from '../page/contract.ts';
import { ClientPage } from './client-page.ts';
import { recorderMs } from './clock.ts';
import type { PageFiles } from './page-files.ts';
import type { LabClient } from './stage.ts';

/** A client that runs in, or beside, this process. */
export interface LocalMember extends LabClient {
  readonly errors: string[];
  /** Milliseconds since 1970 by its clock. */
  now(): Promise<number>;
}

export interface MemberSurroundings {
  /** For pages; undefined where there are none. */
  readonly browser: Browser | undefined;
  /** What light peers play. */
  readonly recordings: Recordings;
  readonly detour?: Detour;
  readonly files?: PageFiles;
}

/** Opens a client as what its task says it is; its `start` joins. @throws what opening a page or making a recording throws */
export async function openMember(task: ClientTask, surroundings: MemberSurroundings): Promise<LocalMember> {
  const { browser, recordings, ...page } = surroundings;
  switch (task.kind) {
    case 'page':
      if (browser === undefined) throw new Error(`nobody runs a browser for ${task.name}`);
      return ClientPage.open(browser, task, page);
    case 'light':
      return LightMember.open(task, { recordings, detour: page.detour, nowMs: recorderMs });
    default:
      return assertNever(task.kind);
  }
}
