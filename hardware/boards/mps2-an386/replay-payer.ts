/** The image that plays a payer's recorded day. */
import { payer } from '../../replay/kinds.ts';
import { replayOnBoard } from './replay.ts';

replayOnBoard(payer);
