import type { MeridianApi } from './api/meridian-api.ts';
import { ClientError, isSdkError } from './errors.ts';

/**
 * Gives the user token. `renew` is true when the last one given was refused: a new one is needed then.
 */
export type UserTokenSource = (ask: { renew: boolean; signal: AbortSignal | undefined }) => Promise<string>;

/** A guest of this name, entered once and again only when the token was refused. */
export function guestTokens(api: MeridianApi, name: string): UserTokenSource {
  let entering: Promise<string> | undefined;
  return ({ renew, signal }) => {
    if (renew) entering = undefined;
    entering ??= api
      .enterAsGuest(name, signal)
      .then((entered) => entered.userToken)
      .catch((error: unknown) => {
        entering = undefined;
        throw error;
      });
    return entering;
  };
}

/** A token from elsewhere. It cannot be renewed: asking for that fails, and the refusal stands. */
export function fixedToken(userToken: string): UserTokenSource {
  return async ({ renew }) => {
    if (renew) throw new ClientError('aborted', { message: 'A fixed user token cannot be renewed.' });
    return userToken;
  };
}

const REFUSALS = ['unauthenticated', 'token-expired', 'token-invalid', 'token-key-unknown', 'token-revoked'] as const;

/** Calls with the user token; when that is refused, once more with a new one. */
export async function withUserToken<T>(
  source: UserTokenSource,
  signal: AbortSignal | undefined,
  call: (userToken: string) => Promise<T>,
): Promise<T> {
  const token = await source({ renew: false, signal });
  try {
    return await call(token);
  } catch (refusal) {
    if (!isSdkError(refusal, ...REFUSALS)) throw refusal;
    let renewed: string;
    try {
      renewed = await source({ renew: true, signal });
    } catch {
      throw refusal;
    }
    return call(renewed);
  }
}
