/** The journey of one tap and of a stream of two ticks, told by the real code on both runtimes. */
import { toHex } from '../../protocol/bytes.ts';
import { amount } from '../../protocol/integers.ts';
import type { Effect } from '../../protocol/machines/effects.ts';
import { encodeMessage } from '../../protocol/wire/messages.ts';
import { Pair, type Side } from '../device/pair.ts';
import { challenge } from '../protocol/bench.ts';

const plain = (value: unknown): string =>
  JSON.stringify(value, (_key, inner) => (inner instanceof Uint8Array ? toHex(inner) : inner));

function tell(side: Side, effect: Effect<{ readonly type: string }>): string {
  const who = side.padEnd(8);
  switch (effect.type) {
    case 'persist': {
      const { type, ...facts } = effect.record;
      return `${who}  persist  ${type} ${plain(facts)}`;
    }
    case 'sign':
      return `${who}  sign     ${toHex(effect.digest)}`;
    case 'send': {
      const bytes = encodeMessage(effect.message);
      return `${who}  send     ${effect.message.type}, ${bytes.length} bytes: ${toHex(bytes).slice(2)}`;
    }
    case 'upload':
      return `${who}  upload   ${effect.message.type}`;
    case 'notify': {
      const { type, ...facts } = effect.notice;
      return `${who}  notify   ${type} ${plain(facts)}`;
    }
  }
}

export async function journey(): Promise<string> {
  const pair = await Pair.create(1);
  const lines: string[] = ['# The till asks for 1.25, and the wearable is held to it.'];
  pair.onEffect = (side, effect) => lines.push(tell(side, effect));
  await pair.sale(1_250_000);
  pair.link();
  await pair.settle();
  lines.push('', '# A stream of ticks worth 0.02: two are delivered, then the session is closed.');
  await pair.terminal.dispatch({
    type: 'streamSale',
    tickValue: amount(20_000),
    ticks: 8,
    currency: 'TIME',
    challenge: challenge(7),
  });
  await pair.settle();
  const { channel } = pair.terminal.state.books.lanes[0]!;
  await pair.terminal.dispatch({ type: 'delivered', channel, k: 1, challenge: challenge(8) });
  await pair.settle();
  await pair.terminal.dispatch({ type: 'closeSession', challenge: challenge(9) });
  await pair.settle();
  return `${lines.join('\n')}\n`;
}
