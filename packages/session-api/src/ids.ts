import { randomBytes, randomInt } from 'node:crypto';
import { RoomId, RoomSlug, SessionId, UserId } from '@meridian/protocol';

/** Where ids and choices come from; tests pass their own. */
export interface Randomness {
  /** Base64url of that many random bytes. */
  token(bytes: number): string;
  /** Uniform in [0, below). */
  below(limit: number): number;
  /** Uniform in [0, 1). */
  fraction(): number;
}

export const systemRandomness: Randomness = {
  token: (bytes) => randomBytes(bytes).toString('base64url'),
  below: (limit) => randomInt(limit),
  fraction: () => randomInt(2 ** 32) / 2 ** 32,
};

/** 96 random bits each; the letter tells people what they look at. */
export class Ids {
  readonly #random: Randomness;

  constructor(random: Randomness) {
    this.#random = random;
  }

  account(): UserId {
    return UserId.parse(`u${this.#random.token(12)}`);
  }

  guest(): UserId {
    return UserId.parse(`g${this.#random.token(12)}`);
  }

  room(): RoomId {
    return RoomId.parse(`r${this.#random.token(12)}`);
  }

  session(): SessionId {
    return SessionId.parse(`s${this.#random.token(12)}`);
  }

  /** `jti` of a token; 128 random bits. */
  tokenId(): string {
    return this.#random.token(16);
  }

  /**
   * A slug that can be read out aloud, such as `lumo-kadi-reva-zutu`: eight syllables, 48 random bits,
   * so that the rooms of others cannot be guessed.
   */
  slug(): RoomSlug {
    const syllable = () => pick(CONSONANTS, this.#random) + pick(VOWELS, this.#random);
    return RoomSlug.parse(Array.from({ length: 4 }, () => syllable() + syllable()).join('-'));
  }
}

// Letters that sound alike in many languages (c/k/q, v/w, x/s, y/i) are left out.
const CONSONANTS = 'bdfghjklmnprstvz';
const VOWELS = 'aeiou';

const pick = (letters: string, random: Randomness): string => letters.charAt(random.below(letters.length));
