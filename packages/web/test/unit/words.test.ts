import { CLIENT_ERRORS, type SdkErrorCode } from '@meridian/client';
import { ERRORS } from '@meridian/protocol';
import { describe, expect, it } from 'vitest';
import { messageOf } from '../../src/errors/messages.ts';
import { slugOf } from '../../src/home/slug.ts';
import { hueOf, initialsOf } from '../../src/ui/avatar.tsx';

const CODES = [...Object.keys(ERRORS), ...Object.keys(CLIENT_ERRORS)] as SdkErrorCode[];

describe('messages', () => {
  it.each(CODES)('say something and offer a way on for %s', (code) => {
    const { title, text } = messageOf(code);
    expect(title.length).toBeGreaterThan(8);
    expect(text.split(' ').length).toBeGreaterThan(2);
    expect(title).not.toMatch(/\.$/);
  });

  it.each(CODES.filter((code) => !/^(camera|microphone|screen|devices)-/.test(code)))(
    'that fill a page offer something to do: %s',
    (code) => {
      expect(messageOf(code).remedies.length).toBeGreaterThan(0);
    },
  );

  it('offer to create a room that is not there, and to try a full one again', () => {
    expect(messageOf('room-not-found').remedies[0]).toBe('create');
    expect(messageOf('room-full').remedies[0]).toBe('again');
    expect(messageOf('session-kicked').remedies).not.toContain('again');
  });
});

describe('the address that a name gives', () => {
  it.each([
    ['Weekly with Singapore', 'weekly-with-singapore'],
    ['  Đà Nẵng — Straße 7! ', 'da-nang-strasse-7'],
    ['x'.repeat(80), 'x'.repeat(63)],
  ])('for %j is %j', (title, slug) => {
    expect(slugOf(title)).toBe(slug);
  });

  it.each(['', 'ab', '会议', '---'])('is none for %j', (title) => {
    expect(slugOf(title)).toBeUndefined();
  });
});

describe('initials', () => {
  it.each([
    ['Anna Lindqvist', 'AL'],
    ['  binh  ', 'B'],
    ['Nguyễn Văn Bình', 'NB'],
    ['🦊 Fox', '🦊F'],
    ['', ''],
  ])('of %j are %j', (name, initials) => {
    expect(initialsOf(name)).toBe(initials);
  });

  it('have the colour of the name, always the same one', () => {
    expect(hueOf('Anna')).toBe(hueOf('Anna'));
    expect(new Set(['Anna', 'Binh', 'Chen', 'Dora', 'Emil', 'Fien'].map(hueOf)).size).toBeGreaterThan(2);
  });
});
