#!/usr/bin/env node
// Lets forge compile with npm's solc, so that no compiler is downloaded. forge asks for the version once and then
// hands over one standard-JSON job on stdin; its path options are answered by the job itself and may be ignored.
import { createRequire } from 'node:module';

const solc = createRequire(import.meta.url)('solc');

if (process.argv.includes('--version')) {
  const [version, commit] = solc.version().split('+');
  process.stdout.write(`solc, the solidity compiler commandline interface\nVersion: ${version}+${commit}\n`);
} else {
  const chunks = [];
  for await (const chunk of process.stdin) chunks.push(chunk);
  process.stdout.write(solc.compile(Buffer.concat(chunks).toString('utf8')));
}
