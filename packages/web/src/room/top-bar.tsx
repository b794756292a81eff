import type { Room, RoomStats } from '@meridian/client';
import { Check, Link2, MapPin, Settings } from 'lucide-react';
import { useState } from 'react';
import { DeviceChoice } from '../lobby/device-choice.tsx';
import type { LocalMedia } from '../media/local-media.ts';
import { Button } from '../ui/button.tsx';
import { Dialog } from '../ui/dialog.tsx';
import { Logo } from '../ui/logo.tsx';
import { QualityBars } from './quality-bars.tsx';
import { usePlaceName } from './regions.ts';
import styles from './top-bar.module.css';
import { useRoomLink } from './use-room-link.ts';

interface TopBarProps {
  readonly room: Room;
  readonly media: LocalMedia;
  readonly stats: RoomStats | undefined;
}

/** Where one is: the room, the media server, how good the line is, and the link for others. */
export function TopBar({ room, media, stats }: TopBarProps) {
  const [settings, setSettings] = useState(false);
  const { nodeId, region, decision } = room.whereabouts;
  const place = usePlaceName(nodeId, region);
  const link = useRoomLink(room);
  return (
    <header className={styles.bar}>
      <Logo small />
      <h1 className={styles.title}>{room.info.title}</h1>
      <span className={styles.node} title={`${nodeId}: ${decision.explanation}`} data-testid="own-node">
        <MapPin aria-hidden="true" />
        <span className={styles.place}>{place}</span>
        <QualityBars quality={stats?.quality ?? 'unknown'} figures={stats?.up} />
      </span>
      <Button
        look="quiet"
        size="small"
        className={styles.link}
        icon={link.state === 'copied' ? <Check /> : <Link2 />}
        busy={link.state === 'working'}
        onClick={() => void link.copy()}
        title={link.problem ?? 'Copy the link to this room'}
        aria-label="Copy the link to this room"
        data-testid="invite-button"
      >
        {link.state === 'copied' ? 'Copied' : 'Invite'}
      </Button>
      <Button
        look="quiet"
        size="small"
        className={styles.settings}
        icon={<Settings />}
        onClick={() => setSettings(true)}
        aria-label="Devices and quality"
        title="Devices and quality"
        data-testid="settings-button"
      />
      {settings && (
        <Dialog title="Devices and quality" onClose={() => setSettings(false)}>
          <DeviceChoice media={media} stacked />
        </Dialog>
      )}
    </header>
  );
}
