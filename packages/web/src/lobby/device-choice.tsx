import type { DeviceInfo } from '@meridian/client';
import type { LocalDevice, LocalMedia } from '../media/local-media.ts';
import { isVideoQuality, VIDEO_QUALITIES } from '../media/video-quality.ts';
import { classes } from '../ui/classes.ts';
import { Select } from '../ui/select.tsx';
import { useStore } from '../use-store.ts';
import styles from './device-choice.module.css';

const KINDS = { camera: 'videoinput', microphone: 'audioinput' } as const;

interface DeviceChoiceProps {
  readonly media: LocalMedia;
  /** One below the other, where there is little width. */
  readonly stacked?: boolean;
}

/** Which camera, which microphone, and how fine a picture. */
export function DeviceChoice({ media, stacked = false }: DeviceChoiceProps) {
  const { quality } = useStore(media);
  return (
    <div className={classes(styles.choice, stacked && styles.stacked)}>
      <OneOf media={media} device="microphone" label="Microphone" />
      <OneOf media={media} device="camera" label="Camera" />
      <Select
        label="Video quality"
        value={quality}
        onChange={({ target }) => {
          if (isVideoQuality(target.value)) media.chooseQuality(target.value);
        }}
      >
        {Object.entries(VIDEO_QUALITIES).map(([key, { label }]) => (
          <option key={key} value={key}>
            {label}
          </option>
        ))}
      </Select>
    </div>
  );
}

function OneOf({ media, device, label }: { media: LocalMedia; device: LocalDevice; label: string }) {
  const state = useStore(media);
  const choices = state.devices.filter((one) => one.kind === KINDS[device] && one.deviceId !== '');
  const { track, deviceId } = state[device];
  const current = track?.getSettings().deviceId ?? deviceId ?? choices[0]?.deviceId ?? '';
  return (
    <Select
      label={label}
      value={choices.some((one) => one.deviceId === current) ? current : ''}
      disabled={choices.length === 0}
      onChange={({ target }) => media.choose(device, target.value)}
      data-testid={`${device}-select`}
    >
      {choices.length === 0 && <option value="">None allowed yet</option>}
      {choices.map((one, index) => (
        <option key={one.deviceId} value={one.deviceId}>
          {nameOf(one, label, index)}
        </option>
      ))}
    </Select>
  );
}

/** Browsers append the USB ids; nobody reads those. */
const nameOf = ({ label }: DeviceInfo, kind: string, index: number): string =>
  label.replace(/\s*\([0-9a-f]{4}:[0-9a-f]{4}\)$/i, '') || `${kind} ${index + 1}`;
