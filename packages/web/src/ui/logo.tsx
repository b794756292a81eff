import styles from './logo.module.css';

/** The mark: a globe and its meridian. */
export function Logo({ small = false }: { readonly small?: boolean }) {
  return (
    <span className={styles.logo}>
      <svg viewBox="0 0 32 32" fill="none" className={small ? styles.small : styles.mark} aria-hidden="true">
        <circle cx="16" cy="16" r="12" stroke="url(#meridian-a)" strokeWidth="2.4" />
        <path d="M16 4c3.3 3.3 5 7.3 5 12s-1.7 8.7-5 12" stroke="url(#meridian-b)" strokeWidth="2.4" />
        <circle cx="20.8" cy="16" r="3.2" fill="#fff" />
        <defs>
          <linearGradient id="meridian-a" x1="4" y1="4" x2="28" y2="28">
            <stop stopColor="#6ea6ff" />
            <stop offset="1" stopColor="#2f74f5" />
          </linearGradient>
          <linearGradient id="meridian-b" x1="10" y1="4" x2="22" y2="28">
            <stop stopColor="#5ff0d4" />
            <stop offset="1" stopColor="#27b79d" />
          </linearGradient>
        </defs>
      </svg>
      <span className={small ? 'visually-hidden' : styles.name}>Meridian</span>
    </span>
  );
}
