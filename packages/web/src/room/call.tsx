import type { Preparation, Room } from '@meridian/client';
import { useCallback, useEffect, useState } from 'react';
import type { LocalMedia } from '../media/local-media.ts';
import { AudioSink } from './audio-sink.tsx';
import { Banner } from './banner.tsx';
import styles from './call.module.css';
import { ChatPanel } from './chat-panel.tsx';
import { Controls } from './controls.tsx';
import { MediaNotices } from './media-notices.tsx';
import { PeoplePanel } from './people-panel.tsx';
import { PlaceNames, useKnownPlaces } from './regions.ts';
import { Stage } from './stage.tsx';
import { Toasts } from './toasts.tsx';
import { TopBar } from './top-bar.tsx';
import { useRoom, useStats } from './use-room.ts';
import { useShortcuts } from './use-shortcuts.ts';
import { useUnread } from './use-unread.ts';
import { useWakeLock } from './use-wake-lock.ts';

export type Panel = 'chat' | 'people';

interface CallProps {
  readonly room: Room;
  readonly media: LocalMedia;
  readonly preparation: Preparation;
}

/** The call itself. */
export function Call({ room, media, preparation }: CallProps) {
  useRoom(room);
  const stats = useStats(room);
  const places = useKnownPlaces(preparation);
  const [panel, setPanel] = useState<Panel>();
  const unread = useUnread(room, panel === 'chat');
  const toggle = useCallback((which: Panel) => setPanel((now) => (now === which ? undefined : which)), []);
  useShortcuts(media, toggle);
  useWakeLock();
  useEffect(() => {
    room.chat.loadOlder().catch(() => {
      // The panel offers to load again.
    });
  }, [room]);
  return (
    <PlaceNames value={places}>
      <div className={styles.call} data-panel={panel} data-testid="call">
        <TopBar room={room} media={media} stats={stats} />
        <main className={styles.main}>
          <div className={styles.centre}>
            <Banner room={room} />
            <MediaNotices media={media} />
            <Stage room={room} media={media} stats={stats} />
            <Toasts room={room} />
          </div>
          {panel === 'chat' && <ChatPanel room={room} onClose={() => setPanel(undefined)} />}
          {panel === 'people' && <PeoplePanel room={room} stats={stats} onClose={() => setPanel(undefined)} />}
        </main>
        <Controls room={room} media={media} panel={panel} onPanel={toggle} unread={unread} />
        <AudioSink room={room} />
      </div>
    </PlaceNames>
  );
}
