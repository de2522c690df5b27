/** The tables of READMEs that are printed from the code. */
import { REFUSAL_MEANINGS } from '../../protocol/refusal-meanings.ts';
import { REFUSALS } from '../../protocol/refusals.ts';
import { STRUCTS, type StructName, typeString } from '../../protocol/signing/structs.ts';
import { filled, row } from './markers.ts';
import { SCENARIO_TABLES } from './scenario-tables.ts';
import { MESSAGES, type MessageName, messageBytesMax } from '../../protocol/wire/messages.ts';

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
    ...REFUSALS.map(([name, number]) => row(number, `\`${name}\``, REFUSAL_MEANINGS[name])),
  ].join('\n');
}

export const TABLES = { messages, structs, refusals } as const;

/** Every text with tables of the code, and the tables in it by the names of their markers. */
export const TEXTS: Readonly<Record<string, Readonly<Record<string, () => string>>>> = {
  'protocol/README.md': TABLES,
  'simulators/README.md': SCENARIO_TABLES,
};

/** The text of this file with every table as the code says now. Throws when a marker is missing. */
export const withTables = (file: string, text: string): string => filled(text, TEXTS[file]!);
