#!/usr/bin/env node
// The `sundial` command: installs what is missing, bundles the CLI when a source is newer, and runs it.
import { ensureInstalled, root } from './ensure.mjs';
import { freshBundle } from './fresh.mjs';

ensureInstalled();
const target = await freshBundle('cli', 'sundial', 'tools/sundial.ts');
process.env.SUNDIAL_ROOT = root;
await import(target);
