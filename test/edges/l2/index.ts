/** All lies and failures of L2 that are tried. */
import type { L2Case } from './case.ts';
import { EXITS } from './exit.ts';
import { FEES } from './fees.ts';
import { LOGS } from './logs.ts';
import { NODES } from './nodes.ts';
import { REPLACED } from './replaced.ts';
import { WHOLE } from './whole.ts';

export const CASES: readonly L2Case[] = [...WHOLE, ...NODES, ...LOGS, ...REPLACED, ...FEES, ...EXITS];
