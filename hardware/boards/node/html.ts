/** Text in a page. */

/** With every sign that could begin markup as its number. */
export const escaped = (text: string): string =>
  text.replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`);
