// Which modules C stands in for, on every machine that runs XS with the natives of this folder.
import { join, relative } from 'node:path';
import { root } from '../../tools/ensure.mjs';
import { nativeFolder } from './build.mjs';

/** What byte loops in JavaScript take most of: the same functions in C stand in for these modules in an image. */
export const nativeModules = {
  name: 'native-modules',
  setup(build) {
    const stand = {
      'device/crc32.ts': 'crc32.ts',
      'device/links/framing.ts': 'framing.ts',
      'device/journal/layout.ts': 'layout.ts',
      'protocol/bytes.ts': 'bytes.ts',
      'protocol/wire/struct.ts': 'struct.ts',
    };
    build.onResolve(
      { filter: /(crc32|framing|layout|bytes|struct)\.ts$/ },
      ({ path, resolveDir, importer }) => {
        const native = stand[relative(root, join(resolveDir, path))];
        return native && !importer.startsWith(nativeFolder)
          ? { path: join(nativeFolder, native) }
          : undefined;
      },
    );
  },
};
