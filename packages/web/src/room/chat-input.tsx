import { type Room, toSdkError } from '@meridian/client';
import { SendHorizontal } from 'lucide-react';
import { type FormEvent, type KeyboardEvent, useEffect, useRef, useState } from 'react';
import { messageOf } from '../errors/messages.ts';
import styles from './chat-input.module.css';

const LONGEST = 4_000;

/** Enter sends, Shift and Enter begins a new line. What could not be sent stays to be sent again. */
export function ChatInput({ room, onSend }: { readonly room: Room; readonly onSend: () => void }) {
  const [text, setText] = useState('');
  const [problem, setProblem] = useState<string>();
  const form = useRef<HTMLFormElement>(null);
  const input = useRef<HTMLTextAreaElement>(null);
  const allowed = room.grants.chat;
  // The person has just opened the chat to write.
  useEffect(() => input.current?.focus(), []);

  const submit = async (event: FormEvent) => {
    event.preventDefault();
    const line = text.trim();
    if (line === '') return;
    setText('');
    setProblem(undefined);
    onSend();
    try {
      await room.chat.send(line);
    } catch (thrown) {
      setText((newer) => (newer === '' ? line : newer));
      setProblem(`Not sent. ${messageOf(toSdkError(thrown).code).title}.`);
    }
  };
  const onKey = (event: KeyboardEvent<HTMLTextAreaElement>) => {
    if (event.key !== 'Enter' || event.shiftKey || event.nativeEvent.isComposing) return;
    event.preventDefault();
    form.current?.requestSubmit();
  };
  return (
    <form ref={form} className={styles.form} onSubmit={submit}>
      {problem !== undefined && (
        <p className={styles.problem} role="alert">
          {problem}
        </p>
      )}
      <div className={styles.row}>
        <textarea
          className={styles.input}
          rows={1}
          value={text}
          maxLength={LONGEST}
          disabled={!allowed}
          placeholder={allowed ? 'Message everybody' : 'You may only read here'}
          aria-label="Message"
          onChange={(event) => setText(event.target.value)}
          onKeyDown={onKey}
          ref={input}
          data-testid="chat-input"
        />
        <button type="submit" className={styles.send} disabled={text.trim() === ''} aria-label="Send">
          <SendHorizontal />
        </button>
      </div>
    </form>
  );
}
