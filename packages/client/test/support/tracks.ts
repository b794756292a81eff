import { FakeMediaStreamTrack } from 'fake-mediastreamtrack';

/** A track of no real device. */
export const fakeTrack = (kind: 'audio' | 'video'): FakeMediaStreamTrack => new FakeMediaStreamTrack({ kind });
