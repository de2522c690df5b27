/** The program that plays a payer's recorded day. */
import { payer } from '../../replay/kinds.ts';
import { replayOnHost } from './replay.ts';

replayOnHost(payer);
