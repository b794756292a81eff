import type { Preparation } from '@meridian/client';
import type { RoomView } from '@meridian/protocol';
import { ArrowRight } from 'lucide-react';
import { type FormEvent, useState } from 'react';
import type { LocalMedia } from '../media/local-media.ts';
import { Button } from '../ui/button.tsx';
import { Field } from '../ui/field.tsx';
import { Header } from '../ui/header.tsx';
import { DeviceChoice } from './device-choice.tsx';
import styles from './lobby.module.css';
import { NodeFinder } from './node-finder.tsx';
import { Preview } from './preview.tsx';

interface LobbyProps {
  readonly slug: string;
  /** Undefined while it is looked up, and where it may be seen only from inside. */
  readonly room: RoomView | undefined;
  readonly invited: boolean;
  readonly media: LocalMedia;
  readonly preparation: Preparation;
  readonly initialName: string;
  readonly joining: boolean;
  readonly onName: (name: string) => void;
  /** The person is about to join. */
  readonly onIntent: (name: string) => void;
  readonly onJoin: (name: string) => void;
}

/** Before a call: how do I look and sound, and what am I called? */
export function Lobby(props: LobbyProps) {
  const [name, setName] = useState(props.initialName);
  const trimmed = name.trim();
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (trimmed !== '') props.onJoin(trimmed);
  };
  return (
    <div className={styles.page}>
      <Header />
      <main className={styles.main}>
        <div className={styles.left}>
          <Preview media={props.media} name={trimmed} />
          <DeviceChoice media={props.media} />
        </div>
        <form className={styles.right} onSubmit={submit}>
          <p className={styles.kicker}>{props.invited ? 'You are invited to' : 'You are about to join'}</p>
          <h1 className={styles.title}>{props.room?.title ?? props.slug}</h1>
          <NodeFinder preparation={props.preparation} />
          <Field
            label="Your name"
            value={name}
            required
            maxLength={80}
            autoComplete="name"
            placeholder="As the others will see it"
            autoFocus={props.initialName === ''}
            onChange={(event) => {
              setName(event.target.value);
              props.onName(event.target.value.trim());
            }}
            data-testid="name-input"
          />
          <div className={styles.go}>
            <Button
              type="submit"
              look="primary"
              size="large"
              wide
              busy={props.joining}
              disabled={trimmed === ''}
              icon={<ArrowRight />}
              onPointerEnter={() => props.onIntent(trimmed)}
              onFocus={() => props.onIntent(trimmed)}
              data-testid="join-button"
            >
              {props.joining ? 'Joining …' : 'Join now'}
            </Button>
          </div>
        </form>
      </main>
    </div>
  );
}
