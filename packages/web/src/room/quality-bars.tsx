import type { PathFigures, Quality } from '@meridian/client';
import styles from './quality-bars.module.css';

interface QualityBarsProps {
  readonly quality: Quality;
  readonly figures: PathFigures | undefined;
  /** Added to the tooltip, such as what the relay takes. */
  readonly more?: string | undefined;
}

const BARS: Record<Quality, number> = { good: 3, fair: 2, poor: 1, unknown: 0 };
const WORDS: Record<Quality, string> = {
  good: 'Good connection',
  fair: 'Fair connection',
  poor: 'Poor connection',
  unknown: 'Connection not measured yet',
};

/** Three bars; what they stand for is in the tooltip and for screen readers. */
export function QualityBars({ quality, figures, more }: QualityBarsProps) {
  const text = [WORDS[quality], ...figuresText(figures), more].filter(Boolean).join(' · ');
  return (
    <span
      className={styles.bars}
      data-quality={quality}
      data-testid="quality"
      role="img"
      aria-label={text}
      title={text}
    >
      {[1, 2, 3].map((bar) => (
        <span key={bar} data-lit={bar <= BARS[quality] || undefined} />
      ))}
    </span>
  );
}

function figuresText(figures: PathFigures | undefined): string[] {
  if (figures === undefined) return [];
  const { rttMs, lossFraction, jitterMs } = figures;
  return [
    rttMs === null ? '' : `${Math.round(rttMs)} ms round trip`,
    lossFraction === null ? '' : `${(lossFraction * 100).toFixed(1)} % loss`,
    jitterMs === null ? '' : `${Math.round(jitterMs)} ms jitter`,
  ];
}
