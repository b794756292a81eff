import { type Room, type SdkError, toSdkError } from '@meridian/client';
import { useEffect, useLayoutEffect, useRef, useState } from 'react';
import { Button } from '../ui/button.tsx';
import { SidePanel } from '../ui/panel.tsx';
import { ChatInput } from './chat-input.tsx';
import { ChatLine } from './chat-line.tsx';
import styles from './chat-panel.module.css';

/** Nearer to the end than this counts as reading along. Pixels. */
const AT_END = 60;
/** Lines of one person within this time stand under one name. Milliseconds. */
const SAME_BREATH_MS = 3 * 60_000;

export function ChatPanel({ room, onClose }: { readonly room: Room; readonly onClose: () => void }) {
  const { lines, hasOlder } = room.chat;
  const [loading, setLoading] = useState(false);
  const [problem, setProblem] = useState<SdkError>();
  const list = useRef<HTMLOListElement>(null);
  const atEnd = useRef(true);
  const last = lines.at(-1)?.id;
  useLayoutEffect(() => {
    if (last !== undefined && atEnd.current && list.current) list.current.scrollTop = list.current.scrollHeight;
  }, [last]);

  const loadOlder = async () => {
    const element = list.current;
    const fromEnd = element ? element.scrollHeight - element.scrollTop : 0;
    setLoading(true);
    setProblem(undefined);
    try {
      await room.chat.loadOlder();
    } catch (thrown) {
      setProblem(toSdkError(thrown));
    }
    setLoading(false);
    // What was read stays where it is, the older lines grow above it.
    requestAnimationFrame(() => {
      if (element) element.scrollTop = element.scrollHeight - fromEnd;
    });
  };

  useEffect(() => {
    const element = list.current;
    const onScroll = () => {
      if (element) atEnd.current = element.scrollHeight - element.scrollTop - element.clientHeight < AT_END;
    };
    element?.addEventListener('scroll', onScroll, { passive: true });
    return () => element?.removeEventListener('scroll', onScroll);
  }, []);

  return (
    <SidePanel title="Chat" onClose={onClose} testId="chat-panel">
      {/* A log that scrolls has to be reached by keyboard, too. */}
      <ol ref={list} className={styles.lines} aria-live="polite" aria-label="Messages">
        {hasOlder && lines.length > 0 && (
          <li className={styles.older}>
            <Button look="quiet" size="small" busy={loading} onClick={() => void loadOlder()}>
              Earlier messages
            </Button>
          </li>
        )}
        {lines.length === 0 && (
          <li className={styles.empty}>{problem === undefined ? 'No messages yet. Say hello.' : problem.message}</li>
        )}
        {lines.map((line, index) => {
          const before = lines[index - 1];
          const goesOn =
            before !== undefined &&
            before.sessionId === line.sessionId &&
            line.sentAtMs - before.sentAtMs < SAME_BREATH_MS;
          return <ChatLine key={line.id} line={line} goesOn={goesOn} own={line.userId === room.self.userId} />;
        })}
      </ol>
      <ChatInput room={room} onSend={() => (atEnd.current = true)} />
    </SidePanel>
  );
}
