/**
 * Every file, folder and npm script that a guide names is there. Not looked at here: what is built (`build/...`,
 * `state/...`), and names with a placeholder.
 */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { projectFiles } from './rules.ts';

const guides = [...projectFiles()].filter((file) => file.endsWith('.md'));
const BUILT = /^(build|node_modules|state)\//;

/** `hub/ports.ts` and the like: a name with a slash or an ending of ours, and nothing but a path. */
const named = (text: string): string[] =>
  [...text.replace(/```[\s\S]*?```/g, '').matchAll(/`([\w.-]+(?:\/[\w.*-]+)*\/?)`/g)]
    .map(([, path]) => path!)
    .filter((path) => path.includes('/') && /^[a-z.]/.test(path) && !path.includes('*') && !BUILT.test(path))
    .filter((path) => /\.(ts|mjs|sol|md|json|txt|c|h|ld)$|\/$/.test(path));

/** Guides name files from the root, from their own folder, or from the folders that they are about. */
const ABOUT: readonly (readonly [guide: string, folders: readonly string[]])[] = [
  ['protocol/decisions/', ['protocol', 'hub', 'hardware']],
  ['simulators/', ['simulators/stage']],
];

const isThere = (guide: string, path: string): boolean => {
  const about = ABOUT.flatMap(([start, folders]) => (guide.startsWith(start) ? folders : []));
  return ['.', dirname(guide), ...about].some((base) => existsSync(join(base, path)));
};

for (const guide of guides)
  test(`${guide} names files that are there`, () => {
    const text = readFileSync(guide, 'utf8');
    const missing = named(text).filter((path) => !isThere(guide, path));
    const links = [...text.matchAll(/\]\(([^)#:]+)(?:#[^)]*)?\)/g)].map(([, link]) => link!);
    assert.equal([...missing, ...links.filter((link) => !existsSync(join(dirname(guide), link)))], []);
  });

test('npm scripts that guides name are there', () => {
  const { scripts } = JSON.parse(readFileSync('package.json', 'utf8')) as { scripts: object };
  const missing = guides.flatMap((guide) =>
    [...readFileSync(guide, 'utf8').matchAll(/npm run ([a-z:]+)/g)]
      .map(([, name]) => name!)
      .filter((name) => !(name in scripts))
      .map((name) => `${guide}: ${name}`),
  );
  assert.equal(missing, []);
});

test.run();
