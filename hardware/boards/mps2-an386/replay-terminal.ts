/** The image that plays a terminal's recorded day. */
import { terminal } from '../../replay/kinds.ts';
import { replayOnBoard } from './replay.ts';

replayOnBoard(terminal);
