// Writes the tables of protocol/README.md from the code: npm run docs
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { bundle } from './bundle.mjs';
import { ensureInstalled, root } from './ensure.mjs';

ensureInstalled();
await bundle({ tables: 'test/docs/tables.ts' }, 'build/docs');
const { withTables } = await import(join(root, 'build', 'docs', 'tables.mjs'));
const path = join(root, 'protocol', 'README.md');
writeFileSync(path, withTables(readFileSync(path, 'utf8')));
