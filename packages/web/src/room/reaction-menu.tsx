import type { Room } from '@meridian/client';
import { Smile } from 'lucide-react';
import { useEffect, useId, useRef, useState } from 'react';
import { RoundButton } from '../ui/round-button.tsx';
import styles from './reaction-menu.module.css';
import { REACTIONS, type Reaction } from './reactions.ts';
import { react } from './use-reactions.ts';

const CHOICES = Object.entries(REACTIONS) as [Reaction, (typeof REACTIONS)[Reaction]][];

/** The reactions, a click away. Closed by a choice, by Escape, and by a click elsewhere. */
export function ReactionMenu({ room }: { readonly room: Room }) {
  const [open, setOpen] = useState(false);
  const wrap = useRef<HTMLDivElement>(null);
  const id = useId();
  useEffect(() => {
    if (!open) return;
    const onPointer = (event: PointerEvent) => {
      if (event.target instanceof Node && !wrap.current?.contains(event.target)) setOpen(false);
    };
    const onKey = (event: KeyboardEvent) => {
      if (event.key === 'Escape') setOpen(false);
    };
    window.addEventListener('pointerdown', onPointer);
    window.addEventListener('keydown', onKey);
    return () => {
      window.removeEventListener('pointerdown', onPointer);
      window.removeEventListener('keydown', onKey);
    };
  }, [open]);
  const choose = (kind: Reaction) => {
    setOpen(false);
    react(room, kind).catch(() => {
      // A reaction that does not get through is not worth a message.
    });
  };
  return (
    <div ref={wrap} className={styles.wrap}>
      <RoundButton
        label="React"
        icon={<Smile />}
        active={open}
        aria-expanded={open}
        aria-controls={id}
        onClick={() => setOpen(!open)}
        data-testid="reactions-toggle"
      />
      {open && (
        <fieldset id={id} className={styles.menu} aria-label="Reactions">
          {CHOICES.map(([kind, { label, icon: Icon }]) => (
            <button
              key={kind}
              type="button"
              className={styles.choice}
              aria-label={label}
              title={label}
              onClick={() => choose(kind)}
              data-testid={`reaction-${kind}`}
            >
              <Icon />
            </button>
          ))}
        </fieldset>
      )}
    </div>
  );
}
