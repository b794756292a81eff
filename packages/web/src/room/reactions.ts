import { Hand, Heart, Laugh, PartyPopper, ThumbsUp } from 'lucide-react';

/** Label of the data channel that carries reactions. */
export const REACTIONS_LABEL = 'reactions';

/** What one can react with; the key is what travels. */
export const REACTIONS = {
  'thumbs-up': { label: 'Thumbs up', icon: ThumbsUp },
  'heart': { label: 'Heart', icon: Heart },
  'laugh': { label: 'Laughing', icon: Laugh },
  'party': { label: 'Hooray', icon: PartyPopper },
  'hand': { label: 'Raised hand', icon: Hand },
} as const;

export type Reaction = keyof typeof REACTIONS;

/** Data comes from other browsers: anything but a known reaction is none. */
export const isReaction = (payload: unknown): payload is Reaction =>
  typeof payload === 'string' && Object.hasOwn(REACTIONS, payload);
