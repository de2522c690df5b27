/** The console's files, as the server hands them out, and the policy that keeps anything else from running there. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** By path: where the file lies in the project, and what it is. */
const FILES: Readonly<Record<string, readonly [file: string, type: string]>> = {
  '/': ['hub/console/index.html', 'text/html; charset=utf-8'],
  '/console/app.js': ['hub/console/app.js', 'text/javascript; charset=utf-8'],
  '/console/parts.js': ['hub/console/parts.js', 'text/javascript; charset=utf-8'],
  '/console/pages.js': ['hub/console/pages.js', 'text/javascript; charset=utf-8'],
  '/console/words.js': ['hub/console/words.js', 'text/javascript; charset=utf-8'],
  '/console/style.css': ['hub/console/style.css', 'text/css; charset=utf-8'],
  '/console/view.js': ['node_modules/htm/preact/standalone.module.js', 'text/javascript; charset=utf-8'],
  '/console/plot.js': ['node_modules/uplot/dist/uPlot.esm.js', 'text/javascript; charset=utf-8'],
  '/console/plot.css': ['node_modules/uplot/dist/uPlot.min.css', 'text/css; charset=utf-8'],
};

/** Scripts and styles of this server only, no inline ones, nobody's frame, no form that leaves. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  "img-src 'self' data:",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

/** Read once at the start. A hub without the project's files beside it has an API and no console. */
export function consoleFiles() {
  const root = process.env.SUNDIAL_ROOT ?? process.cwd();
  const files = new Map<string, { readonly type: string; readonly bytes: Buffer }>();
  if (existsSync(join(root, FILES['/']![0])))
    for (const [path, [file, type]] of Object.entries(FILES))
      files.set(path, { type, bytes: readFileSync(join(root, file)) });
  return { files, contentPolicy: POLICY };
}
