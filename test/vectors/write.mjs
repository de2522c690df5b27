// Stores the vector files that make.ts computes: node test/vectors/write.mjs. Run it only when the format changes, and
// read the difference: every device in the field speaks the old bytes.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { bundle } from '../../tools/bundle.mjs';
import { root } from '../../tools/ensure.mjs';

await bundle({ make: 'test/vectors/make.ts' }, 'build/test/vectors');
const { files } = await import(join(root, 'build/test/vectors/make.mjs'));
for (const [name, text] of Object.entries(await files())) {
  writeFileSync(join(root, 'test/vectors', name), text);
  process.stdout.write(`${name}: ${text.length} characters\n`);
}
