import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { emailKey } from '../../src/index.ts';

const anyText = fc.string({ unit: 'grapheme', maxLength: 40 });

describe('the key of an e-mail address', () => {
  it.each([
    ['Ada@Example.ORG', 'ada@example.org'],
    ['ÉLODIE@example.org', 'élodie@example.org'],
    ['e\u0301lodie@example.org', 'élodie@example.org'],
    ['ΟΔΥΣΣΕΥΣ@example.org', 'οδυσσευσ@example.org'],
    ['οδυσσευς@example.org', 'οδυσσευσ@example.org'],
    ['straße@example.org', 'straße@example.org'],
    ['ınfo@example.org', 'ınfo@example.org'],
  ])('of %s is %s', (email, key) => {
    expect(emailKey(email)).toBe(key);
  });

  it('is its own key', () => {
    fc.assert(
      fc.property(anyText, (email) => {
        expect(emailKey(emailKey(email))).toBe(emailKey(email));
      }),
    );
  });

  it('is the same for every Unicode form that looks the same', () => {
    fc.assert(
      fc.property(anyText, (email) => {
        expect(emailKey(email.normalize('NFD'))).toBe(emailKey(email));
        expect(emailKey(email.normalize('NFC'))).toBe(emailKey(email));
      }),
    );
  });

  it('is the same for the address in lower case', () => {
    fc.assert(
      fc.property(anyText, (email) => {
        expect(emailKey(email.toLowerCase())).toBe(emailKey(email));
      }),
    );
  });

  it('does not depend on the language of the machine', () => {
    // In Turkish, I is the capital of dotless ı.
    expect(emailKey('INFO@EXAMPLE.ORG')).toBe('info@example.org');
  });
});
