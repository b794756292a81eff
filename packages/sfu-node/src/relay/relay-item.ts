import type { DataProducerId, ProducerId } from '@meridian/protocol';

/** Something of another node that is wanted here. */
export type RelayItem =
  | { readonly kind: 'media'; readonly producerId: ProducerId }
  | { readonly kind: 'data'; readonly dataProducerId: DataProducerId };

export const mediaItem = (producerId: ProducerId): RelayItem => ({ kind: 'media', producerId });
export const dataItem = (dataProducerId: DataProducerId): RelayItem => ({ kind: 'data', dataProducerId });

/** Unique among items of both kinds. */
export function keyOf(item: RelayItem): string {
  return item.kind === 'media' ? `m:${item.producerId}` : `d:${item.dataProducerId}`;
}

/** The lists that the bus messages carry. */
export function idsOf(items: Iterable<RelayItem>): { producerIds: ProducerId[]; dataProducerIds: DataProducerId[] } {
  const producerIds: ProducerId[] = [];
  const dataProducerIds: DataProducerId[] = [];
  for (const item of items) {
    if (item.kind === 'media') producerIds.push(item.producerId);
    else dataProducerIds.push(item.dataProducerId);
  }
  return { producerIds, dataProducerIds };
}
