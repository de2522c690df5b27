/** The till's page: its files, as the server hands them out. */
import { type PageFiles, type Pages, readPages } from '../http/pages.ts';

const PAGE = 'hardware/boards/node/till/page';
const FILES: PageFiles = {
  '/': [`${PAGE}/index.html`, 'html'],
  '/till/app.js': [`${PAGE}/app.js`, 'js'],
  '/till/sell.js': [`${PAGE}/sell.js`, 'js'],
  '/till/payments.js': [`${PAGE}/payments.js`, 'js'],
  '/till/day.js': [`${PAGE}/day.js`, 'js'],
  '/till/camera.js': [`${PAGE}/camera.js`, 'js'],
  '/till/look.js': ['hardware/boards/node/http/page/look.js', 'js'],
  '/till/jsqr.js': ['node_modules/jsqr/dist/jsQR.js', 'js'],
  '/till/words.js': [`${PAGE}/words.js`, 'js'],
  '/till/style.css': [`${PAGE}/style.css`, 'css'],
  '/till/client.js': ['hardware/boards/node/till/client.js', 'js'],
  '/till/view.js': ['node_modules/htm/preact/standalone.module.js', 'js'],
};

/** At the root, since it answers for the root. */
const WORKER = '/worker.js';

/** Files by path, and their policy. The worker that keeps them for when the till is away is told which they are. */
export function tillPage(): Pages {
  const pages = readPages({ ...FILES, [WORKER]: [`${PAGE}/worker.js`, 'js'] });
  const worker = pages.files.get(WORKER);
  if (worker === undefined) return pages;
  const bytes = `const FILES = ${JSON.stringify(Object.keys(FILES))};\n${worker.bytes}`;
  return { ...pages, files: new Map([...pages.files, [WORKER, { ...worker, bytes }]]) };
}
