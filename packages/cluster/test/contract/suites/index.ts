import type { Backend } from '../../support/backend.ts';
import { admissionSuite } from './admission.ts';
import { brokenCountsSuite } from './broken-counts.ts';
import { chatSuite } from './chat.ts';
import { closingSuite } from './closing.ts';
import { expulsionSuite } from './expulsion.ts';
import { handoverSuite } from './handover.ts';
import { handoverModelSuite } from './handover-model.ts';
import { inboxSuite } from './inbox.ts';
import { leaseSuite } from './leases.ts';
import { limitSuite } from './limits.ts';
import { lockSuite } from './locks.ts';
import { modelSuite } from './model.ts';
import { nameSuite } from './names.ts';
import { registrySuite } from './registry.ts';
import { revocationSuite } from './revocations.ts';
import { roomSuite } from './rooms.ts';
import { sweepSuite } from './sweep.ts';

/** What every kind of Redis has to pass. */
export const suites: readonly ((backend: () => Backend) => void)[] = [
  registrySuite,
  leaseSuite,
  admissionSuite,
  roomSuite,
  expulsionSuite,
  handoverSuite,
  handoverModelSuite,
  sweepSuite,
  inboxSuite,
  lockSuite,
  chatSuite,
  nameSuite,
  revocationSuite,
  limitSuite,
  brokenCountsSuite,
  closingSuite,
  modelSuite,
];
