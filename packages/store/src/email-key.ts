/**
 * The form of an e-mail address that must be unique: the same for every letter case of it.
 *
 * NFC, so that one visible letter is one spelling; then Unicode's locale-independent lower case; then
 * the Greek final sigma as an ordinary one, since which of the two lower-casing gives depends on the
 * letters around it; then NFC again, since lower-casing may leave a decomposed letter. Nothing else is
 * folded: `ß` stays apart from `ss` and dotless `ı` from `i`, as those can be different mailboxes.
 *
 * Both adapters keep the result in a field of its own under a unique index, so that it never depends
 * on the collation of a database.
 */
export function emailKey(email: string): string {
  return email.normalize('NFC').toLowerCase().replaceAll('ς', 'σ').normalize('NFC');
}
