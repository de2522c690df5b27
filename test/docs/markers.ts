/** Tables between markers in a text, each replaced by what the code says now. */

export const row = (...cells: readonly (string | number)[]): string => `| ${cells.join(' | ')} |`;

/** The text with every table between its markers made anew. Throws when a marker is missing. */
export function filled(text: string, tables: Readonly<Record<string, () => string>>): string {
  let result = text;
  for (const [name, table] of Object.entries(tables)) {
    const [before, rest] = split(result, `<!-- ${name} -->\n`);
    const [, after] = split(rest, `<!-- /${name} -->`);
    result = `${before}<!-- ${name} -->\n\n${table()}\n\n<!-- /${name} -->${after}`;
  }
  return result;
}

function split(text: string, marker: string): readonly [string, string] {
  const at = text.indexOf(marker);
  if (at < 0) throw new Error(`${marker.trim()} is missing`);
  return [text.slice(0, at), text.slice(at + marker.length)];
}
