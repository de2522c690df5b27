/** What each field of a scenario may hold, read from the schema: for the table in the README, and for whoever wrote a wrong one. */
import { z } from 'zod';
import { scenarioSchema } from './schema.ts';

/** The part of JSON Schema that the scenarios' schema comes to. */
interface Node {
  readonly type?: string;
  readonly description?: string;
  readonly properties?: Readonly<Record<string, Node>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: Node | false;
  readonly propertyNames?: Node;
  readonly items?: Node | false;
  readonly prefixItems?: readonly Node[];
  readonly anyOf?: readonly Node[];
  readonly enum?: readonly string[];
  readonly const?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly maxLength?: number;
  readonly pattern?: string;
}

const ROOT = z.toJSONSchema(scenarioSchema) as Node;

type Path = readonly (string | number)[];

/** What stands at one step below; of alternatives, the one that has such a step. */
function below(node: Node, step: string | number): Node | undefined {
  for (const one of node.anyOf ?? [node]) {
    const found =
      typeof step === 'number'
        ? (one.prefixItems?.[step] ?? (one.items || undefined))
        : (one.properties?.[step] ?? (one.additionalProperties || undefined));
    if (found !== undefined) return found;
  }
  return undefined;
}

function nodeAt(path: Path): Node {
  let node: Node | undefined = ROOT;
  for (const step of path) node = node && below(node, step);
  return node ?? ROOT;
}

const grouped = (value: number): string => String(value).replace(/\B(?=(\d{3})+$)/g, ',');

/** The largest number that JSON and JavaScript agree on is no bound that anybody chose. */
const isBound = (value: number | undefined): value is number =>
  value !== undefined && Math.abs(value) < Number.MAX_SAFE_INTEGER;

/** Names that an object may have. */
function namesOf(node: Node): readonly string[] {
  const all = (node.anyOf ?? [node]).flatMap((one) => [
    ...Object.keys(one.properties ?? {}),
    ...(one.propertyNames?.enum ?? []),
  ]);
  return [...new Set(all)];
}

/** What a record's names are: those of faults or those of refusals, of which there are more. */
const kindsOf = ({ propertyNames }: Node): string =>
  propertyNames!.enum!.length > 40 ? 'reasons of refusals' : 'kinds of faults';

/** What a value may be, in words. */
function mayBe(node: Node): string {
  if (node.anyOf !== undefined) return node.anyOf.map(mayBe).join('; or ');
  if (node.const !== undefined) return node.const;
  if (node.enum !== undefined)
    return node.enum.length === 1 ? node.enum[0]! : `one of ${node.enum.join(', ')}`;
  switch (node.type) {
    case 'integer': {
      const from = isBound(node.minimum) ? `from ${grouped(node.minimum)}` : '';
      const to = isBound(node.maximum) ? `to ${grouped(node.maximum)}` : 'on';
      return `a whole number ${from} ${to}`;
    }
    case 'boolean':
      return 'true or false';
    case 'array':
      if (node.prefixItems !== undefined) return `a list of two: ${mayBe(node.prefixItems[0]!)}`;
      return node.items ? `a list, each ${mayBe(node.items)}` : 'a list';
    case 'object': {
      if (node.propertyNames !== undefined)
        return `an object from ${kindsOf(node)} to ${mayBe(node.additionalProperties as Node)}`;
      return `an object with ${namesOf(node).join(', ')}`;
    }
    default:
      return node.pattern?.startsWith('^\\d')
        ? 'a time such as 02:10 or 02:10:30'
        : node.pattern !== undefined
          ? 'a name of lower-case letters, digits and dashes'
          : node.maxLength !== undefined
            ? `text of ${node.maxLength} signs at most`
            : 'text';
  }
}

/** How many signs differ between two words, at least (Levenshtein). */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++)
      next.push(Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)));
    row = next;
  }
  return row[b.length]!;
}

/** The one of `known` that somebody may have meant; undefined when none is near. */
export function nearest(word: string, known: readonly string[]): string | undefined {
  let best: string | undefined;
  let least = Math.max(2, Math.ceil(word.length / 3)) + 1;
  for (const one of known) {
    const found = distance(word.toLowerCase(), one.toLowerCase());
    if (found < least) {
      least = found;
      best = one;
    }
  }
  return best;
}

const meant = (word: string, known: readonly string[]): string => {
  const near = nearest(word, known);
  return near === undefined ? '' : `; did you mean "${near}"?`;
};

/** Words that a value at this place may be, among others. */
const wordsOf = (node: Node): string[] =>
  (node.anyOf ?? [node]).flatMap((one) => [
    ...(one.enum ?? []),
    ...(one.const === undefined ? [] : [one.const]),
  ]);

function valueAt(root: unknown, path: Path): unknown {
  let value = root;
  for (const step of path) value = (value as Record<string | number, unknown> | undefined)?.[step];
  return value;
}

const shown = (value: unknown): string => {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
};

const isObject = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Of alternatives, what is wrong within the one that the value's kind was meant for. */
function unfolded(
  issue: z.core.$ZodIssue,
  root: unknown,
  before: Path,
): { issue: z.core.$ZodIssue; path: Path }[] {
  const path: Path = [...before, ...(issue.path as Path)];
  if (issue.code !== 'invalid_union') return [{ issue, path }];
  const inner = issue.errors.find((issues) =>
    issues.some(
      (one) => one.path.length > 0 || (one.code === 'unrecognized_keys' && isObject(valueAt(root, path))),
    ),
  );
  return inner === undefined ? [{ issue, path }] : inner.flatMap((one) => unfolded(one, root, path));
}

/** One thing that is wrong with a scenario: the field and, in words, what it may be. */
export interface WrongField {
  readonly field: string;
  readonly words: string;
}

/** What is wrong with a value that the schema refuses, field by field. */
export function wrongFields(issues: readonly z.core.$ZodIssue[], root: unknown): WrongField[] {
  return issues.flatMap((outer) =>
    unfolded(outer, root, []).flatMap(({ issue, path }) => wrong(issue, path, root)),
  );
}

function wrong(issue: z.core.$ZodIssue, path: Path, root: unknown): WrongField[] {
  const node = nodeAt(path);
  const at = (more: string): string => [...path, more].filter((step) => step !== '').join('.');
  if (issue.code === 'unrecognized_keys') {
    const known = namesOf(node);
    return issue.keys.map((key) => ({
      field: at(key),
      words: `there is no such field${meant(key, known) || ';'} it may be one of ${known.join(', ')}`,
    }));
  }
  const field = at('') || 'the file';
  if (issue.code === 'custom') return [{ field, words: issue.message }];
  const value = valueAt(root, path);
  const may = `${mayBe(node)}${node.description === undefined ? '' : ` (${node.description})`}`;
  if (value === undefined) return [{ field, words: `is missing; it must be ${may}` }];
  const near = typeof value === 'string' ? meant(value, wordsOf(node)) : '';
  return [{ field, words: `${shown(value)} is not allowed; it must be ${may}${near}` }];
}

/** One row of the table of fields. */
export interface Field {
  readonly field: string;
  readonly mayBe: string;
  readonly isRequired: boolean;
  readonly means: string;
}

/** Fields of an object by path, those of objects within it behind each. `[]` stands for each of a list. */
function fieldsOf(node: Node, before: string): Field[] {
  return Object.entries(node.properties ?? {}).flatMap(([name, one]) => {
    const isRequired = node.required?.includes(name) === true;
    const path = `${before}${name}`;
    const own = { field: path, mayBe: short(one), isRequired, means: one.description ?? '' };
    const list = one.items || one.anyOf?.map(({ items }) => items || undefined).find((items) => items);
    const inner = list ? fieldsOf(list, `${path}[].`) : one.properties ? fieldsOf(one, `${path}.`) : [];
    // A row for each of four equal parts says nothing that the row of the whole does not.
    const isUniform = inner.every(({ mayBe: may, means }) => may === inner[0]?.mayBe && means === '');
    // What a group or a script expects is described where the run expects it.
    return isUniform || (before !== '' && name === 'expect') ? [own] : [own, ...inner];
  });
}

/** Values that one cell of the table lists. */
const LISTED_MAX = 20;

/** As `mayBe`, with what the table says in rows of its own left out. */
function short(node: Node): string {
  const parts = (node.anyOf ?? [node]).map((one) => {
    if (one.items !== false && one.items?.properties) return 'a list';
    if (one.propertyNames !== undefined) {
      const inner = one.additionalProperties as Node;
      const to = inner.anyOf ? 'a level or `{per1000Hours, for, size}`' : mayBe(inner);
      return `an object from ${kindsOf(one)} to ${to}`;
    }
    if (one.enum !== undefined && one.enum.length > LISTED_MAX) return 'a kind of fault';
    if (one.properties !== undefined) {
      const inner = Object.values(one.properties);
      const uniform = inner.every(
        (value) => mayBe(value) === mayBe(inner[0]!) && value.description === undefined,
      );
      return uniform ? `an object with ${namesOf(one).join(', ')}, each ${mayBe(inner[0]!)}` : 'an object';
    }
    return mayBe(one);
  });
  return parts.join('; or ');
}

/** Every field of a scenario, in the order of the schema. */
export const FIELDS: readonly Field[] = fieldsOf(ROOT, '');

/** The fields of a fault's rate, which stand within several others. */
export const RATE_FIELDS: readonly Field[] = (() => {
  const faults = (ROOT.properties?.faults?.anyOf ?? []).find(
    ({ propertyNames }) => propertyNames !== undefined,
  );
  const rate = (faults?.additionalProperties || {}) as Node;
  const object = (rate.anyOf ?? []).find(({ properties }) => properties !== undefined);
  return object === undefined ? [] : fieldsOf(object, '');
})();
