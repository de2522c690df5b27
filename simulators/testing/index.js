// What `import 'sundial/testing'` gives: world.ts, bundled when a source is newer.
import { ensureInstalled } from '../../tools/ensure.mjs';
import { freshBundle } from '../../tools/fresh.mjs';

ensureInstalled();
const bundled = await freshBundle('testing', 'world', 'simulators/testing/world.ts');
export const { openWorld, magicWearables } = await import(bundled);
