/** The console's files, as the server hands them out. */
import { type PageFiles, type Pages, readPages } from '../../hardware/boards/node/http/pages.ts';

const FILES: PageFiles = {
  '/': ['hub/console/index.html', 'html'],
  '/console/app.js': ['hub/console/app.js', 'js'],
  '/console/parts.js': ['hub/console/parts.js', 'js'],
  '/console/pages.js': ['hub/console/pages.js', 'js'],
  '/console/words.js': ['hub/console/words.js', 'js'],
  '/console/style.css': ['hub/console/style.css', 'css'],
  '/console/view.js': ['node_modules/htm/preact/standalone.module.js', 'js'],
  '/console/plot.js': ['node_modules/uplot/dist/uPlot.esm.js', 'js'],
  '/console/plot.css': ['node_modules/uplot/dist/uPlot.min.css', 'css'],
};

/** Files by path, and their policy. */
export const consoleFiles = (): Pages => readPages(FILES);
