import { type RefObject, useEffect, useRef } from 'react';

interface VideoProps {
  readonly track: MediaStreamTrack;
  readonly className?: string | undefined;
  readonly videoRef?: RefObject<HTMLVideoElement | null>;
}

/** Plays one video track, without sound: audio tracks have elements of their own. */
export function Video({ track, className, videoRef }: VideoProps) {
  const own = useRef<HTMLVideoElement>(null);
  const ref = videoRef ?? own;
  useEffect(() => {
    const element = ref.current;
    if (element === null) return;
    element.srcObject = new MediaStream([track]);
    element.play().catch(() => {
      // Muted video may always play; a replaced source interrupts the play before it, which is fine.
    });
    return () => {
      element.srcObject = null;
    };
  }, [track, ref]);
  return <video ref={ref} className={className} muted playsInline autoPlay disablePictureInPicture />;
}
