import { DeviceNotice } from '../errors/device-notice.tsx';
import type { LocalMedia } from '../media/local-media.ts';
import { useStore } from '../use-store.ts';

/** What is wrong with our own devices, during the call. */
export function MediaNotices({ media }: { readonly media: LocalMedia }) {
  const { camera, microphone, screen } = useStore(media);
  return (
    <>
      {camera.error && <DeviceNotice code={camera.error.code} onClose={() => media.dismiss('camera')} />}
      {microphone.error && <DeviceNotice code={microphone.error.code} onClose={() => media.dismiss('microphone')} />}
      {screen.error && <DeviceNotice code={screen.error.code} onClose={() => media.dismiss('screen')} />}
    </>
  );
}
