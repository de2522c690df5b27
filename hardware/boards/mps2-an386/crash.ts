/**
 * What crash tests tell a board over its console: to stop dead before an effect, or to run into one of its own
 * limits. Only images that are built with --tests have it; from all others the bundler leaves it out.
 */
import type { Effect } from '../../../protocol/machines/effects.ts';
import { setTimer } from '../../native/prelude.ts';

declare const TESTS: boolean;

type AnyEffect = Effect<{ readonly type: string }>;

/** Effects to stop before, by the number of the command `halt`; 0: none. */
const haltPoints = ['', 'sign', 'send:receipt', 'send:voucher', 'persist:intent'];
let haltPoint = '';

/** `sign`, `send:receipt`, `persist:intent`: what an effect is called in a crash test. */
function effectName(effect: AnyEffect): string {
  if (effect.type === 'persist') return `persist:${effect.record.type}`;
  return effect.type === 'send' ? `send:${effect.message.type}` : effect.type;
}

/** True where a crash test wants the power to fail. */
export const haltsBefore: ((effect: AnyEffect) => boolean) | undefined = TESTS
  ? (effect) => haltPoint !== '' && effectName(effect) === haltPoint
  : undefined;

function recurse(depth: number): number {
  return depth + recurse(depth + 1);
}

export const crashCommands: Readonly<Record<string, (value: number) => unknown>> = TESTS
  ? {
      halt: (value) => {
        haltPoint = haltPoints[value] ?? '';
      },
      exhaustMemory: () => {
        const held: Uint8Array[] = [];
        for (;;) held.push(new Uint8Array(1024));
      },
      exhaustStack: () => recurse(0),
      throwLater: () =>
        setTimer(() => {
          throw new Error('thrown on purpose');
        }, 0),
      loopForever: () => {
        for (;;);
      },
    }
  : {};
