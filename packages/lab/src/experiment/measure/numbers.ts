import { mean as meanOf, quantile as quantileOf } from '../../analysis/quantile.ts';

/** Null without values. */
export const mean = (values: readonly number[]): number | null => (values.length === 0 ? null : meanOf(values));

/** Interpolated between the neighbours (Hyndman and Fan 1996, type 7); null without values. */
export const quantile = (values: readonly number[], share: number): number | null =>
  values.length === 0 ? null : quantileOf(values, share);
