// Writes what is printed from the code: the tables of protocol/README.md and simulators/README.md, and test/golden/tap.txt. npm run docs
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { bundle } from './bundle.mjs';
import { ensureInstalled, root } from './ensure.mjs';

ensureInstalled();
await bundle({ tables: 'test/docs/tables.ts', journey: 'test/golden/journey.ts' }, 'build/docs');
const { TEXTS, withTables } = await import(join(root, 'build', 'docs', 'tables.mjs'));
const { journey } = await import(join(root, 'build', 'docs', 'journey.mjs'));
for (const file of Object.keys(TEXTS)) {
  const path = join(root, file);
  writeFileSync(path, withTables(file, readFileSync(path, 'utf8')));
}
writeFileSync(join(root, 'test', 'golden', 'tap.txt'), await journey());
