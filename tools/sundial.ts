/** `sundial`: one command line for devices, hub, channels and the demonstration. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fail } from '../hardware/boards/node/cli/output.ts';
import { projectRoot } from '../hardware/boards/node/cli/paths.ts';
import { commandLine } from './command-line.ts';

const { version } = JSON.parse(readFileSync(join(projectRoot(), 'package.json'), 'utf8'));
await commandLine(process.argv.slice(2), version).catch(fail);
