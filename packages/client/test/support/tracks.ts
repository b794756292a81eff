import { FakeMediaStreamTrack } from 'fake-mediastreamtrack';

/** A track of no real device. */
export const fakeTrack = (kind: 'audio' | 'video', settings: MediaTrackSettings = {}): FakeMediaStreamTrack =>
  new FakeMediaStreamTrack({ kind, settings });
