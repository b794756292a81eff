import { MeridianApi } from '@meridian/client';
import { AccountStore } from './account/account-store.ts';

/** The session service that this page came from. */
export const api = new MeridianApi({ serviceUrl: window.location.origin });
export const account = new AccountStore(api);
