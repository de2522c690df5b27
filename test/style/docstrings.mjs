// Every exported function and class of protocol/, device/ and hub/ has a docstring directly before it. What it says is
// for people to judge. Read line by line, which biome's layout allows: a parser would take seconds.
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';

const FOLDERS = ['protocol', 'device', 'hub'];
/** At the beginning of a line: a function, a class, or a constant that is an arrow function. */
const EXPORTED =
  /^export (?:default )?(?:(?:async )?function\*? ?(\w+)|(?:abstract )?class (\w+)|const (\w+)[^=;\n]*=\s+(?:async )?(?:<[^=;]*?>)?(?:\([^;]*?\)[^;=]*|\w+ )=>)/gm;

/** [line, name] of each such export of a text that has no docstring of its own. */
export function withoutDocstring(text) {
  const lines = text.split('\n');
  let described;
  return [...text.matchAll(EXPORTED)].flatMap(({ index, 1: f, 2: c, 3: v }) => {
    const name = f ?? c ?? v;
    // Of several signatures of one function the first is described.
    if (name === described) return [];
    described = name;
    const line = text.slice(0, index).split('\n').length;
    let first = line - 2;
    if (!lines[first]?.endsWith('*/')) return [[line, name]];
    while (first > 0 && !lines[first].includes('/*')) first -= 1;
    return lines[first].startsWith('/**') ? [] : [[line, name]];
  });
}

const WRONG = [
  'export function f() {}',
  '/** File. */\n\nexport class A {}',
  '// Words.\nexport const f = () => 1;',
  '/* Words. */\nexport const f = async (a: number): Promise<void> => undefined;',
  '/** One. */\nexport const a = 1;\nexport async function f() {}',
  'export const f =\n  (a: number) =>\n  (b: number) => a + b;',
  'export const f = <T>(a: T): T => a;',
];
const RIGHT = [
  '/** Words. */\nexport function f() {}',
  '/**\n * Words.\n */\nexport const f = (a: number): number => a;',
  'export const a = 1;\nexport interface B { c(): void }\nfunction d() {}',
  '/** Two ways. */\nexport function f(a: number): void;\nexport function f(a: string): void;\nexport function f() {}',
];

/** Returns sentences, each with the faults that break it. */
export function checkDocstrings(root) {
  const faults = [];
  for (const folder of FOLDERS)
    for (const entry of readdirSync(join(root, folder), { recursive: true, withFileTypes: true })) {
      if (!entry.isFile() || !entry.name.endsWith('.ts')) continue;
      const path = join(entry.parentPath ?? entry.path, entry.name);
      for (const [line, name] of withoutDocstring(readFileSync(path, 'utf8')))
        faults.push(`${relative(root, path)}:${line} ${name}`);
    }
  return [
    ['a missing docstring is seen', WRONG.filter((text) => withoutDocstring(text).length !== 1)],
    ['a docstring is seen', RIGHT.filter((text) => withoutDocstring(text).length !== 0)],
    ['exported functions and classes have docstrings', faults],
  ];
}
