import { CLIENT_ERRORS, type SdkErrorCode } from '@meridian/client';
import { ERRORS } from '@meridian/protocol';

/** What a person can do about it from here. */
export type Remedy = 'again' | 'create' | 'home' | 'sign-in' | 'reload';

export interface Message {
  readonly title: string;
  readonly text: string;
  readonly remedies: readonly Remedy[];
}

const say = (title: string, text: string, ...remedies: Remedy[]): Message => ({ title, text, remedies });

/** One message per failure that people meet, by its code. */
const MESSAGES: Partial<Record<SdkErrorCode, Message>> = {
  'room-not-found': say(
    'This room does not exist yet',
    'Check the link for typing errors, or create the room under this name.',
    'create',
    'home',
  ),
  'room-full': say(
    'The room is full',
    'Everybody’s place is taken. Try again when somebody has left.',
    'again',
    'home',
  ),
  'room-private': say(
    'This room is private',
    'Ask its owner for an invitation link, or sign in with the account that was invited.',
    'sign-in',
    'home',
  ),
  'room-ended': say('The room has ended', 'Its owner has ended the call for everybody.', 'home'),
  'invitation-invalid': say(
    'The invitation is no longer valid',
    'It has expired or was withdrawn. Ask for a new one.',
    'again',
    'home',
  ),
  'already-joined': say(
    'You are in this room already',
    'This room lets everybody in once. Leave it in the other window first.',
    'again',
    'home',
  ),
  'session-replaced': say(
    'You joined from somewhere else',
    'The call goes on in the window in which you joined last.',
    'again',
    'home',
  ),
  'session-kicked': say('You were removed from the room', 'A moderator has ended your part in this call.', 'home'),
  'no-healthy-node': say(
    'No media server is free right now',
    'All of them are busy or out of reach. It usually takes a moment only.',
    'again',
    'home',
  ),
  'region-unavailable': say(
    'This region is out of reach',
    'No media server of the region in the address can take the call. Open the room without choosing a region.',
    'again',
    'home',
  ),
  'region-forced-refused': say(
    'The region cannot be chosen here',
    'Open the room without a region in its address: the nearest one is found by itself.',
    'home',
  ),
  'cluster-unavailable': say(
    'The service has trouble at the moment',
    'Calls that are running go on; new ones cannot start. Try again shortly.',
    'again',
    'home',
  ),
  'store-unavailable': say(
    'The service has trouble at the moment',
    'Its database does not answer. Try again shortly.',
    'again',
    'home',
  ),
  'rate-limited': say('A little too fast', 'Wait a moment, then try again.', 'again', 'home'),
  'service-unreachable': say(
    'The service cannot be reached',
    'Check your internet connection, then try again.',
    'again',
    'home',
  ),
  'node-unreachable': say(
    'The media server cannot be reached',
    'Your network may block it. Another network, or switching a VPN off, often helps.',
    'again',
    'home',
  ),
  'media-unreachable': say(
    'Audio and video cannot get through',
    'The room is there, but a firewall seems to block the media. Try another network.',
    'again',
    'home',
  ),
  'reconnect-failed': say(
    'The connection could not be restored',
    'We tried for a while. Check your internet connection, then join again.',
    'again',
    'home',
  ),
  'connection-lost': say(
    'The connection was lost',
    'Check your internet connection, then join again.',
    'again',
    'home',
  ),
  'browser-unsupported': say(
    'This browser cannot take part in calls',
    'Use a current version of Chrome, Edge, Firefox or Safari.',
    'home',
  ),
  'bad-reply': say(
    'The page is out of date',
    'The service answered in a way this page does not understand. Loading it anew usually helps.',
    'reload',
    'home',
  ),
  'token-expired': say('You were signed out', 'Sign in again to go on.', 'sign-in', 'home'),
  'token-revoked': say(
    'You were signed out',
    'You have logged out everywhere, or the password was changed.',
    'sign-in',
    'home',
  ),
  'unauthenticated': say('You are not signed in', 'Sign in to go on.', 'sign-in', 'home'),
  'forbidden': say('You may not do this', 'Ask the owner of the room.', 'home'),
  'room-url-invalid': say(
    'This is not a room’s address',
    'Room names hold 3 to 63 letters, digits and hyphens.',
    'home',
  ),

  // notices beside a device rather than pages of their own
  'camera-denied': say(
    'The camera is blocked',
    'Allow it by the icon in your browser’s address bar, then switch it on again.',
  ),
  'camera-missing': say('No camera found', 'Plug one in, or join without: others will see your initials.'),
  'camera-busy': say('The camera is in use', 'Close the program that uses it, then switch it on again.'),
  'microphone-denied': say(
    'The microphone is blocked',
    'Allow it by the icon in your browser’s address bar, then switch it on again.',
  ),
  'microphone-missing': say('No microphone found', 'Plug one in, or join without: you will hear the others.'),
  'microphone-busy': say('The microphone is in use', 'Close the program that uses it, then switch it on again.'),
  'devices-insecure': say(
    'Camera and microphone need a secure page',
    'Open this address with https:// to be seen and heard.',
  ),
  'screen-denied': say('Nothing is shared', 'The screen was not chosen, or the browser may not record it.'),
  'screen-unavailable': say('No screen sharing here', 'This browser cannot share a screen.'),
};

const sentenceOf = (code: SdkErrorCode): string =>
  code in CLIENT_ERRORS
    ? CLIENT_ERRORS[code as keyof typeof CLIENT_ERRORS].message
    : ERRORS[code as keyof typeof ERRORS].message;

export const messageOf = (code: SdkErrorCode): Message =>
  MESSAGES[code] ?? say('That did not work', sentenceOf(code), 'again', 'home');
