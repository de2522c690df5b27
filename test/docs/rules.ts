/** Where the project names its numbered rules, and what stands in protocol/RULES.md about each. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** A rule as RULES.md has it. */
export interface Rule {
  /** '1' to '20', and '6a'. */
  readonly number: string;
  readonly text: string;
}

/** The rules of a text, in its order: each begins with a heading `## Rule 3: ...`. */
export function rulesOf(text: string): Rule[] {
  return text
    .split(/^## Rule /m)
    .slice(1)
    .map((part) => ({ number: part.slice(0, part.indexOf(':')), text: part }));
}

const FOLDERS = ['contracts', 'device', 'hardware', 'hub', 'protocol', 'simulators', 'test', 'tools'];
const ENDINGS = ['.ts', '.mjs', '.sol', '.md'];
const SKIPPED = new Set(['node_modules', 'build', 'out', 'cache']);

function* filesUnder(folder: string): Generator<string> {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory() && !SKIPPED.has(entry.name)) yield* filesUnder(path);
    else if (entry.isFile() && ENDINGS.some((ending) => entry.name.endsWith(ending))) yield path;
  }
}

/** All sources and guides of the project. */
export function* projectFiles(): Generator<string> {
  for (const name of readdirSync('.')) if (name.endsWith('.md')) yield name;
  for (const folder of FOLDERS) yield* filesUnder(folder);
}

/** A line break within a comment is a space. */
const joined = (text: string): string => text.replace(/\s*\n\s*(?:\*|\/\/\/?)?\s*/g, ' ');

/** The numbers of the rules that a text names: "rule 5", "rules 2 and 12", "Rules 7, 10, 11, 12", "rule: '2, ...". */
export function ruleNumbers(text: string): string[] {
  const found = joined(text).matchAll(
    /\brule(?:s|:)?\s+['"]?(\d+a?(?:(?:\s*,\s*|\s+and\s+|\s+to\s+)\d+a?\b)*)/gi,
  );
  return [...found].flatMap(([, list]) => list!.match(/\d+a?/g)!);
}

/** By rule, the files that name it; RULES.md itself does not count. */
export function ruleReferences(): Map<string, string[]> {
  const references = new Map<string, string[]>();
  for (const file of projectFiles()) {
    if (file === 'protocol/RULES.md' || file.startsWith('test/docs/')) continue;
    for (const number of new Set(ruleNumbers(readFileSync(file, 'utf8'))))
      references.set(number, [...(references.get(number) ?? []), file]);
  }
  return references;
}
