import { cluster } from './cluster.ts';
import { experiments } from './experiments.ts';
import { node } from './node.ts';
import { type Dashboard, toJson } from './panels.ts';
import { relays } from './relays.ts';

/** File below deploy/grafana/dashboards -> dashboard. */
export const dashboards: Readonly<Record<string, Dashboard>> = {
  'cluster.json': cluster,
  'experiments.json': experiments,
  'node.json': node,
  'relays.json': relays,
};
export { type Dashboard, toJson };
