import type { Preparation } from '@meridian/client';
import type { NodeId } from '@meridian/protocol';
import { createContext, useContext, useEffect, useState } from 'react';

/** Names of places by node, such as `sin-1` -> `Singapore`. */
export const PlaceNames = createContext<ReadonlyMap<NodeId, string>>(new Map());

/** The name of a node's place; its region's label where the name is not known. */
export function usePlaceName(nodeId: NodeId, region: string): string {
  return useContext(PlaceNames).get(nodeId) ?? region;
}

export function useKnownPlaces(preparation: Preparation): ReadonlyMap<NodeId, string> {
  const [places, setPlaces] = useState<ReadonlyMap<NodeId, string>>(new Map());
  useEffect(() => {
    let current = true;
    preparation.surroundings.then(
      ({ candidates }) => {
        if (current) setPlaces(new Map(candidates.map((node) => [node.nodeId, node.regionName])));
      },
      () => {
        // Labels of regions do, then.
      },
    );
    return () => {
      current = false;
    };
  }, [preparation]);
  return places;
}
