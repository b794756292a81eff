import type { ChatMessage } from '@meridian/protocol';
import { createElement, Fragment, type ReactNode } from 'react';
import styles from './chat-line.module.css';

interface ChatLineProps {
  readonly line: ChatMessage;
  /** The same person goes on: the name is not repeated. */
  readonly goesOn: boolean;
  readonly own: boolean;
}

const time = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' });
const day = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit' });
const LINK = /(https?:\/\/[^\s<>"']+[^\s<>"'.,;:!?)\]])/g;

export function ChatLine({ line, goesOn, own }: ChatLineProps) {
  const sent = new Date(line.sentAtMs);
  const today = sent.toDateString() === new Date().toDateString();
  return (
    <li className={styles.line} data-goes-on={goesOn || undefined} data-testid="chat-line" data-own={own || undefined}>
      {!goesOn && (
        <p className={styles.head}>
          <span className={styles.name}>{own ? 'You' : line.name}</span>
          <time dateTime={sent.toISOString()}>{(today ? time : day).format(sent)}</time>
        </p>
      )}
      <p className={styles.text}>{withLinks(line.text)}</p>
    </li>
  );
}

/** Addresses become links; everything else stays the plain text that it is. */
function withLinks(text: string): ReactNode {
  return createElement(
    Fragment,
    null,
    ...text.split(LINK).map((part, index) => (index % 2 === 0 ? part : linkTo(part))),
  );
}

const linkTo = (address: string) => (
  <a href={address} target="_blank" rel="noopener noreferrer">
    {address}
  </a>
);
