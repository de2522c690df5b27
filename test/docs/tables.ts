/** The tables of protocol/README.md, printed from the code. */
import { REFUSALS } from '../../protocol/refusals.ts';
import { STRUCTS, type StructName, typeString } from '../../protocol/signing/structs.ts';
import { MESSAGES, type MessageName, messageBytesMax } from '../../protocol/wire/messages.ts';

const row = (...cells: readonly (string | number)[]): string => `| ${cells.join(' | ')} |`;

function messages(): string {
  const names = Object.keys(MESSAGES) as MessageName[];
  return [
    row('number', 'message', 'direction', 'fields', 'bytes at most'),
    '|---|---|---|---|---|',
    ...names.map((name) => {
      const { number, direction, codec } = MESSAGES[name];
      return row(number, `\`${name}\``, direction, codec.name.slice(1, -1), messageBytesMax(name));
    }),
  ].join('\n');
}

function structs(): string {
  const names = Object.keys(STRUCTS) as StructName[];
  return ['```', ...names.map(typeString), '```'].join('\n');
}

function refusals(): string {
  return [
    row('number', 'name', 'meaning'),
    '|---|---|---|',
    ...REFUSALS.map(([name, number, meaning]) => row(number, `\`${name}\``, meaning)),
  ].join('\n');
}

export const TABLES = { messages, structs, refusals } as const;

/** The text with every table between its markers replaced by what the code says now. Throws when a marker is missing. */
export function withTables(text: string): string {
  let result = text;
  for (const [name, table] of Object.entries(TABLES)) {
    const [before, rest] = split(result, `<!-- ${name} -->\n`);
    const [, after] = split(rest, `<!-- /${name} -->`);
    result = `${before}<!-- ${name} -->\n\n${table()}\n\n<!-- /${name} -->${after}`;
  }
  return result;
}

function split(text: string, marker: string): readonly [string, string] {
  const at = text.indexOf(marker);
  if (at < 0) throw new Error(`${marker.trim()} is missing in protocol/README.md`);
  return [text.slice(0, at), text.slice(at + marker.length)];
}
