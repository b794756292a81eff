import { assertNever } from '@meridian/protocol';
import type { Candidate } from './candidates.ts';
import type { Choice, Field } from './select.ts';

/** One sentence for people: why this node. */
export function explain({ candidate, reason }: Choice, field: Field): string {
  const node = `${candidate.record.regionName} (${candidate.record.nodeId})`;
  switch (reason) {
    case 'forced-region':
      return `${node} was chosen because region ${field.forcedRegion ?? candidate.record.region} was asked for${aside(candidate)}.`;
    case 'hosts-room-and-close':
      return field.near === candidate
        ? `${node} hosts the room already and no other node is better${aside(candidate)}.`
        : `${node} hosts the room already and the detour to it is small${aside(candidate)}.`;
    case 'lowest-rtt':
      return `${node} has the lowest measured delay of ${count(field.size)}${aside(candidate)}.`;
    case 'nearest':
      return `${node} is the nearest of ${count(field.size)}${aside(candidate)}.`;
    case 'least-loaded':
      return candidate.delay.source === 'unknown'
        ? `${node} is the least loaded of ${count(field.size)}; nothing is known about where you are.`
        : `${node} is about as near as the nearest of ${count(field.size)} and less loaded${aside(candidate)}.`;
    default:
      return assertNever(reason);
  }
}

const count = (nodes: number): string => (nodes === 1 ? '1 node' : `${nodes} nodes`);

function aside({ delay, distanceKm }: Candidate): string {
  const away = distanceKm === null ? '' : `, ${Math.round(distanceKm)} km away`;
  switch (delay.source) {
    case 'measured':
      return ` (${Math.round(delay.rttMs)} ms measured${away})`;
    case 'region':
      return ` (${Math.round(delay.rttMs)} ms measured to its region${away})`;
    case 'estimated':
      return ` (about ${Math.round(delay.rttMs)} ms by distance${away})`;
    case 'unknown':
      return '';
    default:
      return assertNever(delay);
  }
}
