import type { CameraOptions } from '@meridian/client';

/** What the camera is opened with. The smaller ones save data and a weak computer's strength. */
export const VIDEO_QUALITIES = {
  high: { label: 'High (720p)', camera: { width: 1280, height: 720, frameRate: 30 } },
  standard: { label: 'Standard (360p)', camera: { width: 640, height: 360, frameRate: 25 } },
  low: { label: 'Data saver (180p)', camera: { width: 320, height: 180, frameRate: 15 } },
} as const satisfies Record<string, { label: string; camera: CameraOptions }>;

export type VideoQuality = keyof typeof VIDEO_QUALITIES;

export const isVideoQuality = (text: string | null | undefined): text is VideoQuality =>
  typeof text === 'string' && Object.hasOwn(VIDEO_QUALITIES, text);
