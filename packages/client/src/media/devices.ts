import { ClientError, type ClientErrorCode } from '../errors.ts';

/** One camera, microphone or loudspeaker, as the browser names it. */
export interface DeviceInfo {
  readonly deviceId: string;
  readonly kind: MediaDeviceKind;
  /** Empty until the person has allowed the use of some device. */
  readonly label: string;
}

export interface CameraOptions {
  readonly deviceId?: string | undefined;
  /** Pixels; the browser comes as near as it can. Default 1280 x 720. */
  readonly width?: number;
  readonly height?: number;
  /** Per second; default 30. */
  readonly frameRate?: number;
}

export interface MicrophoneOptions {
  readonly deviceId?: string | undefined;
}

type Device = 'camera' | 'microphone' | 'screen';

/** @throws ClientError `camera-denied`, `camera-missing`, `camera-busy`, `devices-insecure` */
export async function openCamera(options: CameraOptions = {}): Promise<MediaStreamTrack> {
  const { deviceId, width = 1280, height = 720, frameRate = 30 } = options;
  const stream = await ask('camera', (devices) =>
    devices.getUserMedia({
      video: {
        ...(deviceId === undefined ? { facingMode: 'user' } : { deviceId: { exact: deviceId } }),
        width: { ideal: width },
        height: { ideal: height },
        frameRate: { ideal: frameRate },
      },
    }),
  );
  return only(stream.getVideoTracks(), 'camera');
}

/** @throws ClientError `microphone-denied`, `microphone-missing`, `microphone-busy`, `devices-insecure` */
export async function openMicrophone(options: MicrophoneOptions = {}): Promise<MediaStreamTrack> {
  const { deviceId } = options;
  const stream = await ask('microphone', (devices) =>
    devices.getUserMedia({
      audio: {
        ...(deviceId === undefined ? {} : { deviceId: { exact: deviceId } }),
        echoCancellation: true,
        noiseSuppression: true,
        autoGainControl: true,
      },
    }),
  );
  return only(stream.getAudioTracks(), 'microphone');
}

/** A screen, window or tab, with its sound where the person shares that too. @throws ClientError `screen-denied`, `screen-unavailable` */
export async function openScreen(): Promise<{ video: MediaStreamTrack; audio: MediaStreamTrack | undefined }> {
  const stream = await ask('screen', (devices) => {
    if (typeof devices.getDisplayMedia !== 'function') throw new ClientError('screen-unavailable');
    return devices.getDisplayMedia({ video: { frameRate: { ideal: 15, max: 30 } }, audio: true });
  });
  const video = only(stream.getVideoTracks(), 'screen');
  video.contentHint = 'detail';
  return { video, audio: stream.getAudioTracks()[0] };
}

/** Empty where the browser shows none. */
export async function listDevices(): Promise<DeviceInfo[]> {
  const devices = mediaDevices();
  if (devices === undefined) return [];
  return (await devices.enumerateDevices()).map(({ deviceId, kind, label }) => ({ deviceId, kind, label }));
}

/** Calls back when something was plugged in or out; returns the undoing. */
export function onDevicesChanged(listener: () => void): () => void {
  const devices = mediaDevices();
  devices?.addEventListener('devicechange', listener);
  return () => devices?.removeEventListener('devicechange', listener);
}

/** Absent on pages that are not secure, whatever the DOM's types say. */
function mediaDevices(): MediaDevices | undefined {
  return 'mediaDevices' in navigator ? navigator.mediaDevices : undefined;
}

async function ask(device: Device, open: (devices: MediaDevices) => Promise<MediaStream>): Promise<MediaStream> {
  const devices = mediaDevices();
  if (devices === undefined) throw new ClientError('devices-insecure');
  try {
    return await open(devices);
  } catch (thrown) {
    throw thrown instanceof ClientError ? thrown : new ClientError(codeOfFailure(device, thrown), { cause: thrown });
  }
}

function only(tracks: MediaStreamTrack[], device: Device): MediaStreamTrack {
  const track = tracks[0];
  if (track === undefined) throw new ClientError(codeOfFailure(device, undefined));
  return track;
}

const CODES = {
  camera: { denied: 'camera-denied', missing: 'camera-missing', busy: 'camera-busy' },
  microphone: { denied: 'microphone-denied', missing: 'microphone-missing', busy: 'microphone-busy' },
  screen: { denied: 'screen-denied', missing: 'screen-unavailable', busy: 'screen-unavailable' },
} as const satisfies Record<Device, Record<'denied' | 'missing' | 'busy', ClientErrorCode>>;

/** From the names that Media Capture and Streams gives its failures. */
export function codeOfFailure(device: Device, thrown: unknown): ClientErrorCode {
  const name = thrown instanceof Error || thrown instanceof DOMException ? thrown.name : '';
  switch (name) {
    case 'NotAllowedError':
    case 'SecurityError':
      return CODES[device].denied;
    case 'NotReadableError':
    case 'TrackStartError':
    case 'AbortError':
      return CODES[device].busy;
    default:
      // NotFoundError, OverconstrainedError (the chosen device is gone), and what browsers invent
      return CODES[device].missing;
  }
}
