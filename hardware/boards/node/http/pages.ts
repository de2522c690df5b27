/** Pages that our servers hand out as they are, and the policy that keeps anything else from running there. */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** Where each file lies in the project, and its kind, by the path that it is served at. */
export type PageFiles = Readonly<Record<string, readonly [file: string, kind: keyof typeof TYPES]>>;

/** Files by path, and their Content-Security-Policy. */
export interface Pages {
  readonly files: ReadonlyMap<string, { readonly type: string; readonly bytes: Buffer | string }>;
  readonly contentPolicy: string;
}

const TYPES = {
  html: 'text/html; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  css: 'text/css; charset=utf-8',
} as const;

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

/** A file of the project; one of a dependency may lie in a folder above, where npm put it beside a package. */
function pathOf(root: string, file: string): string {
  let folder = root;
  while (file.startsWith('node_modules/') && !existsSync(join(folder, file)) && folder !== dirname(folder))
    folder = dirname(folder);
  return join(folder, file);
}

/** Read once at the start. A program without the project's files beside it has an API and no page. */
export function readPages(list: PageFiles): Pages {
  const root = process.env.SUNDIAL_ROOT ?? process.cwd();
  const files = new Map<string, { readonly type: string; readonly bytes: Buffer }>();
  if (existsSync(join(root, list['/']![0])))
    for (const [path, [file, kind]] of Object.entries(list))
      files.set(path, { type: TYPES[kind], bytes: readFileSync(pathOf(root, file)) });
  return { files, contentPolicy: POLICY };
}
