/** The page in which anybody checks OCMF records: one file, put together from what stands beside this one. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { projectRoot } from '../../cli/paths.ts';

const FOLDER = 'hardware/boards/node/ocpp/verifier';
const hashOf = (text: string): string => `'sha256-${createHash('sha256').update(text).digest('base64')}'`;

/** The page. It loads nothing and sends nothing: its policy names its own script and style by their hashes, and no more. */
export async function verifierPage(): Promise<string> {
  const { build } = await import('esbuild');
  const { outputFiles } = await build({
    absWorkingDir: projectRoot(),
    entryPoints: [`${FOLDER}/app.ts`],
    bundle: true,
    write: false,
    minify: true,
    charset: 'ascii',
    format: 'iife',
    platform: 'browser',
    target: 'es2022',
    logLevel: 'error',
  });
  const text = (name: string): string => readFileSync(join(projectRoot(), FOLDER, name), 'utf8');
  const style = text('style.css');
  // A script ends where its text says so.
  const script = outputFiles[0]!.text.replaceAll('</', '<\\/');
  const policy = `default-src 'none'; script-src ${hashOf(script)}; style-src ${hashOf(style)}; base-uri 'none'; form-action 'none'`;
  return text('page.html')
    .replace('<!-- policy -->', () => `<meta http-equiv="Content-Security-Policy" content="${policy}" />`)
    .replace('<!-- style -->', () => `<style>${style}</style>`)
    .replace('<!-- script -->', () => `<script>${script}</script>`);
}
