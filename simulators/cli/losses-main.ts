/** `npm run sim:losses`: simulates them anew, and writes the file that the console shows. */
import { writeLosses } from './losses.ts';

await writeLosses('hub/desk/simulated-losses.json', Number(process.argv[2] ?? 8));
