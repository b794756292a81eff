/** What planning looks at; the private part plays no role here. */
export interface KeyTimes {
  readonly kid: string;
  readonly createdAtMs: number;
  /** From then on it signs, until a younger key does. */
  readonly signsFromMs: number;
}

export interface KeyLifetimes {
  /** Longest life of a token that nodes check (session and room tokens), milliseconds. */
  readonly nodeTokensMs: number;
  /** Longest life of any token (invitations, user tokens, expired session tokens that still name a session), milliseconds. */
  readonly allTokensMs: number;
}

export interface KeyPlan<K extends KeyTimes> {
  /** Signs every new token. */
  readonly signing: K | undefined;
  /** In the JWKS: those that sign or will, and those whose session and room tokens may still be valid. */
  readonly published: readonly K[];
  /** Accepted by this service. */
  readonly verifying: readonly K[];
  /** Nothing they signed can be valid any more: their files may go. */
  readonly retired: readonly K[];
}

/**
 * A key's life, from the times alone, so that every instance comes to the same answer: published as
 * soon as it exists, signing from `signsFromMs` (long enough after that everybody has read it), then
 * superseded by the next one, and gone once the last token it signed has expired.
 */
export function planKeys<K extends KeyTimes>(keys: readonly K[], nowMs: number, lifetimes: KeyLifetimes): KeyPlan<K> {
  const inOrder = keys.toSorted((a, b) => a.signsFromMs - b.signsFromMs || (a.kid < b.kid ? -1 : 1));
  // A clock that went back must not leave the service without a key: then the first one signs.
  const signing = inOrder.findLast((key) => key.signsFromMs <= nowMs) ?? inOrder[0];
  const published: K[] = [];
  const verifying: K[] = [];
  const retired: K[] = [];
  for (const [index, key] of inOrder.entries()) {
    const supersededAtMs = inOrder[index + 1]?.signsFromMs ?? Number.POSITIVE_INFINITY;
    if (nowMs < supersededAtMs + lifetimes.nodeTokensMs) published.push(key);
    if (nowMs < supersededAtMs + lifetimes.allTokensMs) verifying.push(key);
    else retired.push(key);
  }
  return { signing, published, verifying, retired };
}
