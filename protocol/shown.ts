/** Words of others on a terminal: no character of theirs moves its cursor, forges a line or turns text round. */

// C0 without tab and line feed, DEL, C1, line separators and marks that turn the direction of text.
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
const HIDDEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

/** The text with such characters written out, as JSON would. */
export const shown = (text: string): string =>
  text.replace(HIDDEN, (sign) => `\\u${sign.charCodeAt(0).toString(16).padStart(4, '0')}`);
