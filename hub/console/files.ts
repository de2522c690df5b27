/** The files of the console and of the owner's page, as the server hands them out. */
import { type PageFiles, type Pages, readPages } from '../../hardware/boards/node/http/pages.ts';

const FILES: PageFiles = {
  '/': ['hub/console/index.html', 'html'],
  '/console/app.js': ['hub/console/app.js', 'js'],
  '/console/parts.js': ['hub/console/parts.js', 'js'],
  '/console/limits.js': ['hub/console/limits.js', 'js'],
  '/console/hooks.js': ['hub/console/hooks.js', 'js'],
  '/console/people.js': ['hub/console/people.js', 'js'],
  '/console/pages.js': ['hub/console/pages.js', 'js'],
  '/console/words.js': ['hub/console/words.js', 'js'],
  '/console/style.css': ['hub/console/style.css', 'css'],
  '/console/view.js': ['node_modules/htm/preact/standalone.module.js', 'js'],
  '/console/plot.js': ['node_modules/uplot/dist/uPlot.esm.js', 'js'],
  '/console/plot.css': ['node_modules/uplot/dist/uPlot.min.css', 'css'],
  // The page of owners, with the console's parts.
  '/owner': ['hub/console/owner/index.html', 'html'],
  '/owner/app.js': ['hub/console/owner/app.js', 'js'],
  '/owner/pages.js': ['hub/console/owner/pages.js', 'js'],
  '/owner/acts.js': ['hub/console/owner/acts.js', 'js'],
  '/owner/wallet.js': ['hub/console/owner/wallet.js', 'js'],
  '/owner/words.js': ['hub/console/owner/words.js', 'js'],
  '/owner/style.css': ['hub/console/owner/style.css', 'css'],
  '/console/look.js': ['hardware/boards/node/http/page/look.js', 'js'],
  '/console/jsqr.js': ['node_modules/jsqr/dist/jsQR.js', 'js'],
};

/** Files by path, and their policy. */
export const consoleFiles = (): Pages => readPages(FILES);
