#!/usr/bin/env node
// Lets forge compile with npm's solc, so that no compiler is downloaded. forge asks for the version before every run and
// hands over standard-JSON jobs on stdin; its path options are answered by the job itself and may be ignored.
import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);

if (process.argv.includes('--version')) {
  // From the package's own name, as loading the compiler takes a second.
  const { version } = require('solc/package.json');
  process.stdout.write(
    `solc, the solidity compiler commandline interface\nVersion: ${version}+commit.00000000\n`,
  );
} else {
  const chunks = [];
  for await (const chunk of process.stdin) chunks.push(chunk);
  process.stdout.write(require('solc').compile(Buffer.concat(chunks).toString('utf8')));
}
