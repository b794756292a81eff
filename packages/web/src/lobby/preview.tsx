import { Mic, MicOff, Video as VideoIcon, VideoOff } from 'lucide-react';
import { useRef } from 'react';
import { DeviceNotice } from '../errors/device-notice.tsx';
import type { LocalMedia } from '../media/local-media.ts';
import { useMicLevel } from '../media/use-mic-level.ts';
import { Video } from '../media/video.tsx';
import { Avatar } from '../ui/avatar.tsx';
import { RoundButton } from '../ui/round-button.tsx';
import { useStore } from '../use-store.ts';
import styles from './preview.module.css';

/** Oneself as the others will see it, with the two switches and the microphone's level. */
export function Preview({ media, name }: { readonly media: LocalMedia; readonly name: string }) {
  const { camera, microphone } = useStore(media);
  const meter = useRef<HTMLDivElement>(null);
  useMicLevel(microphone.on ? microphone.track : null, meter);
  return (
    <div className={styles.wrap}>
      <div className={styles.preview}>
        {camera.on && camera.track ? (
          <Video track={camera.track} className={styles.video} />
        ) : (
          <div className={styles.off}>
            <Avatar name={name} size="large" />
            <p>{camera.opening ? 'The camera starts …' : 'The camera is off'}</p>
          </div>
        )}
        <div
          ref={meter}
          className={styles.meter}
          aria-hidden="true"
          data-on={microphone.on && microphone.track !== null}
        >
          <span />
          <span />
          <span />
        </div>
        <div className={styles.switches}>
          <RoundButton
            label={microphone.on ? 'Turn the microphone off' : 'Turn the microphone on'}
            icon={microphone.on ? <Mic /> : <MicOff />}
            off={!microphone.on}
            onClick={() => media.toggle('microphone')}
            data-testid="mic-toggle"
          />
          <RoundButton
            label={camera.on ? 'Turn the camera off' : 'Turn the camera on'}
            icon={camera.on ? <VideoIcon /> : <VideoOff />}
            off={!camera.on}
            onClick={() => media.toggle('camera')}
            data-testid="cam-toggle"
          />
        </div>
      </div>
      {camera.error && <DeviceNotice code={camera.error.code} onClose={() => media.dismiss('camera')} />}
      {microphone.error && <DeviceNotice code={microphone.error.code} onClose={() => media.dismiss('microphone')} />}
    </div>
  );
}
