import type { NodeCandidate } from '@meridian/protocol';
import { useMemo } from 'react';
import styles from './globe.module.css';
import { arc, centreOf, dotsPath, graticule, project } from './globe-projection.ts';
import { landDots } from './land.ts';

const RADIUS = 190;
const QUIET_VIEW = { latitude: 18, longitude: 60 };

interface GlobeProps {
  readonly nodes: readonly NodeCandidate[];
  /** The node nearest to here stands out. */
  readonly nearest: string | undefined;
}

/** The cluster's real nodes on a globe, with a line between each two of them. */
export function Globe({ nodes, nearest }: GlobeProps) {
  const centre = useMemo(() => (nodes.length === 0 ? QUIET_VIEW : centreOf(nodes.map((n) => n.coordinates))), [nodes]);
  const lines = useMemo(() => graticule(centre, RADIUS), [centre]);
  const land = useMemo(() => dotsPath(landDots(), centre, RADIUS), [centre]);
  const arcs = useMemo(
    () =>
      nodes.flatMap((a, index) =>
        nodes.slice(index + 1).map((b) => ({
          key: `${a.nodeId}-${b.nodeId}`,
          path: arc(a.coordinates, b.coordinates, centre, RADIUS),
        })),
      ),
    [nodes, centre],
  );
  return (
    <svg viewBox="-232 -232 464 464" className={styles.globe} role="img" aria-label={labelOf(nodes)}>
      <defs>
        <radialGradient id="globe-body" cx="0.36" cy="0.28" r="0.85">
          <stop offset="0" stopColor="#1d3a6b" />
          <stop offset="0.55" stopColor="#12213d" />
          <stop offset="1" stopColor="#0b1322" />
        </radialGradient>
        <radialGradient id="globe-glow">
          <stop offset="0.78" stopColor="#3f7bff" stopOpacity="0.34" />
          <stop offset="1" stopColor="#3f7bff" stopOpacity="0" />
        </radialGradient>
        <linearGradient id="globe-arc" x1="0" y1="0" x2="1" y2="0">
          <stop stopColor="#3fd8bd" />
          <stop offset="1" stopColor="#6ea6ff" />
        </linearGradient>
      </defs>
      <circle r={RADIUS * 1.22} fill="url(#globe-glow)" />
      <circle r={RADIUS} fill="url(#globe-body)" className={styles.body} />
      <g className={styles.lines}>
        {lines.map((path) => (
          <path key={path} d={path} />
        ))}
      </g>
      <path d={land} className={styles.land} />
      <g className={styles.arcs}>
        {arcs.map(({ key, path }) => path !== '' && <path key={key} d={path} stroke="url(#globe-arc)" />)}
      </g>
      {nodes.map((node) => {
        const { x, y, front } = project(node.coordinates, centre);
        if (!front) return null;
        return (
          <g key={node.nodeId} transform={`translate(${x * RADIUS} ${y * RADIUS})`}>
            <circle r={9} className={node.nodeId === nearest ? styles.pulseNear : styles.pulse} />
            <circle r={4.5} className={node.nodeId === nearest ? styles.dotNear : styles.dot} />
          </g>
        );
      })}
    </svg>
  );
}

const labelOf = (nodes: readonly NodeCandidate[]): string =>
  nodes.length === 0 ? 'A globe' : `A globe with media servers in ${nodes.map((node) => node.regionName).join(', ')}`;
