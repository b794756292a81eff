import styles from './avatar.module.css';
import { classes } from './classes.ts';

const HUES = 8;

/** Up to two initials, whatever the script. */
export function initialsOf(name: string): string {
  const words = name.trim().split(/\s+/).filter(Boolean);
  const picked = words.length > 1 ? [words[0], words.at(-1)] : words;
  return picked.map((word) => [...(word ?? '')][0]?.toLocaleUpperCase() ?? '').join('');
}

/** The same name has the same colour everywhere. */
export function hueOf(name: string): number {
  let hash = 0;
  for (const letter of name) hash = (hash * 31 + (letter.codePointAt(0) ?? 0)) >>> 0;
  return hash % HUES;
}

export function Avatar({
  name,
  size = 'normal',
}: {
  readonly name: string;
  readonly size?: 'small' | 'normal' | 'large';
}) {
  return (
    <span className={classes(styles.avatar, styles[size])} data-hue={hueOf(name)} aria-hidden="true">
      {initialsOf(name) || '?'}
    </span>
  );
}
