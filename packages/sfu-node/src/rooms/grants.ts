import { type Grants, MeridianError } from '@meridian/protocol';

/** @throws MeridianError `forbidden` that says what is missing */
export function requireGrant(grants: Grants, grant: keyof Grants): void {
  if (!grants[grant]) {
    throw new MeridianError('forbidden', { message: `You may not ${grant} in this room.`, details: { grant } });
  }
}
