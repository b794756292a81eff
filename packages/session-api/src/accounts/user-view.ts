import type { UserTokenReply, UserView } from '@meridian/protocol';
import type { User } from '@meridian/store';
import type { Caller } from '../http/auth.ts';
import type { TokenIssuer } from '../tokens/issue.ts';

export const callerView = ({ userId, kind, name, email }: Caller): UserView => ({
  userId,
  kind,
  name,
  ...(email === undefined ? {} : { email }),
});

/** The caller that an account's fresh token will speak for. */
export const callerOf = ({ userId, name, email, tokenVersion }: User): Caller => ({
  userId,
  kind: 'account',
  name,
  email,
  tokenVersion,
});

/** A new user token together with whom it speaks for. */
export async function signedIn(issuer: TokenIssuer, caller: Caller): Promise<UserTokenReply> {
  const { userId, kind, name, tokenVersion } = caller;
  const { token, expiresAtMs } = await issuer.user({ sub: userId, kind, name, ver: tokenVersion });
  return { user: callerView(caller), userToken: token, expiresAtMs };
}
