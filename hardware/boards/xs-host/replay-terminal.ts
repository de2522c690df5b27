/** The program that plays a terminal's recorded day. */
import { terminal } from '../../replay/kinds.ts';
import { replayOnHost } from './replay.ts';

replayOnHost(terminal);
