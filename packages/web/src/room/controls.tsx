import type { Room } from '@meridian/client';
import {
  MessageSquare,
  Mic,
  MicOff,
  MonitorUp,
  MonitorX,
  PhoneOff,
  Users,
  Video as VideoIcon,
  VideoOff,
} from 'lucide-react';
import type { LocalMedia } from '../media/local-media.ts';
import { RoundButton } from '../ui/round-button.tsx';
import { useStore } from '../use-store.ts';
import type { Panel } from './call.tsx';
import styles from './controls.module.css';
import { ReactionMenu } from './reaction-menu.tsx';
import { SHORTCUTS } from './use-shortcuts.ts';

interface ControlsProps {
  readonly room: Room;
  readonly media: LocalMedia;
  readonly panel: Panel | undefined;
  readonly onPanel: (panel: Panel) => void;
  readonly unread: number;
}

const canShareScreen = 'mediaDevices' in navigator && 'getDisplayMedia' in navigator.mediaDevices;

export function Controls({ room, media, panel, onPanel, unread }: ControlsProps) {
  const { camera, microphone, screen } = useStore(media);
  const mayPublish = room.grants.publish;
  return (
    <footer className={styles.controls} role="toolbar" aria-label="Call controls">
      <div className={styles.group}>
        <RoundButton
          label={microphone.on ? 'Mute' : 'Unmute'}
          icon={microphone.on ? <Mic /> : <MicOff />}
          off={!microphone.on}
          shortcut={SHORTCUTS.microphone}
          disabled={!mayPublish}
          aria-pressed={!microphone.on}
          onClick={() => media.toggle('microphone')}
          data-testid="mic-toggle"
          data-on={microphone.on}
        />
        <RoundButton
          label={camera.on ? 'Turn the camera off' : 'Turn the camera on'}
          icon={camera.on ? <VideoIcon /> : <VideoOff />}
          off={!camera.on}
          shortcut={SHORTCUTS.camera}
          disabled={!mayPublish}
          aria-pressed={!camera.on}
          onClick={() => media.toggle('camera')}
          data-testid="cam-toggle"
          data-on={camera.on}
        />
        {canShareScreen && (
          <RoundButton
            label={screen.sharing ? 'Stop sharing the screen' : 'Share the screen'}
            icon={screen.sharing ? <MonitorX /> : <MonitorUp />}
            active={screen.sharing}
            disabled={!mayPublish}
            aria-pressed={screen.sharing}
            onClick={() => void (screen.sharing ? media.stopScreen() : media.startScreen())}
            data-testid="screen-toggle"
            data-on={screen.sharing}
          />
        )}
        <ReactionMenu room={room} />
        <RoundButton
          label="Chat"
          icon={<MessageSquare />}
          active={panel === 'chat'}
          shortcut={SHORTCUTS.chat}
          badge={unread}
          aria-expanded={panel === 'chat'}
          onClick={() => onPanel('chat')}
          data-testid="chat-toggle"
        />
        <RoundButton
          label={`People (${room.participants.length})`}
          icon={<Users />}
          active={panel === 'people'}
          shortcut={SHORTCUTS.people}
          aria-expanded={panel === 'people'}
          onClick={() => onPanel('people')}
          data-testid="people-toggle"
        />
        <RoundButton
          label="Leave"
          icon={<PhoneOff />}
          danger
          onClick={() => void room.leave()}
          data-testid="leave-button"
        />
      </div>
    </footer>
  );
}
