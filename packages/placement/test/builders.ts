import { type Coordinates, NodeId, type NodeState, type NodeView, Region } from '@meridian/protocol';
import type { SelectionInput } from '../src/index.ts';

export const AMSTERDAM = { latitude: 52.37, longitude: 4.9 };
export const FRANKFURT = { latitude: 50.11, longitude: 8.68 };
export const SINGAPORE = { latitude: 1.35, longitude: 103.82 };
export const KUALA_LUMPUR = { latitude: 3.14, longitude: 101.69 };
export const HO_CHI_MINH_CITY = { latitude: 10.78, longitude: 106.7 };
export const HONG_KONG = { latitude: 22.32, longitude: 114.17 };

export interface NodeSketch {
  id: string;
  region?: string;
  at?: Coordinates;
  state?: NodeState;
  sessions?: number;
  maxSessions?: number;
  reserved?: number;
  workerCpu?: number;
}

export const aNode = ({
  id,
  region = 'eu-west',
  at = AMSTERDAM,
  state = 'ready',
  sessions = 0,
  maxSessions = 500,
  reserved = 0,
  workerCpu = 0,
}: NodeSketch): NodeView => ({
  reserved,
  record: {
    nodeId: NodeId.parse(id),
    incarnation: 'incarnation-1',
    region: Region.parse(region),
    regionName: region,
    coordinates: at,
    wsUrl: `wss://${id}.example.org/ws`,
    probeUrl: `https://${id}.example.org/probe`,
    version: '0.1.0',
    state,
    load: { sessions, maxSessions, consumers: 0, workers: 2, rooms: 0, workerCpu },
    startedAtMs: 0,
  },
});

export const rttsOf = (rtts: Record<string, number>): Map<NodeId, number> =>
  new Map(Object.entries(rtts).map(([id, rttMs]) => [NodeId.parse(id), rttMs]));

export const idsOf = (...ids: string[]): Set<NodeId> => new Set(ids.map((id) => NodeId.parse(id)));

export const aClient = (input: Partial<SelectionInput> & Pick<SelectionInput, 'nodes'>): SelectionInput => ({
  rtts: new Map(),
  location: undefined,
  roomNodes: new Set(),
  avoid: new Set(),
  ...input,
});

/** The session service's part in a burst: what was promised counts at once. */
export const promise = (nodes: readonly NodeView[], nodeId: NodeId): NodeView[] =>
  nodes.map((view) => (view.record.nodeId === nodeId ? { ...view, reserved: view.reserved + 1 } : view));
