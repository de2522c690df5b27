/**
 * One side of a recorded tap, said again to a device that runs: what it answers is compared with what the other side said
 * then. A terminal that is played what a wearable once said asks with a challenge of its own now, so a voucher that is
 * played back must be refused.
 */
import { Deframer, encodeFrame } from '../../device/links/framing.ts';
import { nodeClock } from '../../hardware/boards/node/host.ts';
import type { LinkAddress } from '../../hardware/boards/node/links/address.ts';
import { openTap } from '../../hardware/boards/node/links/open.ts';
import { SundialError } from '../../protocol/errors.ts';
import { SYNC_MESSAGE_BYTES_MAX } from '../../protocol/limits.ts';
import { decodeMessage } from '../../protocol/wire/messages.ts';
import type { Said } from './record.ts';
import type { End } from './rules.ts';

/** What came of it. */
export interface Played {
  /** Messages that were said again. */
  readonly said: number;
  /** Names of what the device said, in order; refusals with their code. */
  readonly heard: readonly string[];
  /** Names of what it said when the tap was recorded. */
  readonly then: readonly string[];
  readonly same: boolean;
}

export interface PlayOptions {
  readonly record: readonly Said[];
  readonly tap: number;
  /** Whose part is played. */
  readonly as: End;
  /** Where the other device is. */
  readonly at: LinkAddress;
  /** How long an answer may take, milliseconds. */
  readonly patienceMs: number;
  say(text: string): void;
}

/** The name of a message, with its code where it refuses. */
function nameOf(bytes: Uint8Array): string {
  const decoded = decodeMessage(bytes, 'sync');
  const message = decoded.ok ? decoded.message : undefined;
  if (message === undefined) return 'unknown';
  return message.type === 'refusal' ? `refusal ${message.code}` : message.type;
}

/** Plays it. Rejects with `no_such_tap`, `nobody_came`, and what `openTap` rejects with. */
export async function play({ record, tap, as, at, patienceMs, say }: PlayOptions): Promise<Played> {
  const recorded = record.filter((one) => one.tap === tap);
  if (recorded.length === 0)
    throw new SundialError('no_such_tap', `the record holds no tap ${tap}`, {
      severity: 'call',
      remedy: `Give --tap one of ${[...new Set(record.map((one) => one.tap))].join(', ') || 'none: it is empty'}.`,
    });
  const then = recorded.filter(({ from }) => from !== as).map(({ bytes }) => nameOf(bytes));
  const heard: string[] = [];
  let said = 0;
  let came = false;
  await new Promise<void>((resolve, reject) => {
    let close = (): void => undefined;
    let cancel = (): void => undefined;
    let next = 0;
    let send: ((bytes: Uint8Array) => void) | undefined;
    const end = (): void => {
      cancel();
      close();
      resolve();
    };
    const patience = (): void => {
      cancel();
      cancel = nodeClock.schedule(patienceMs, () => {
        // It does not say what it said then: the rest is said all the same.
        if (send !== undefined && next < recorded.length && recorded[next]!.from !== as) next += 1;
        else if (next >= recorded.length || send === undefined) return end();
        step();
      });
    };
    const step = (): void => {
      for (; send !== undefined && next < recorded.length && recorded[next]!.from === as; next++) {
        say(`said ${recorded[next]!.name}`);
        send(encodeFrame(recorded[next]!.bytes));
        said += 1;
      }
      patience();
    };
    const deframer = new Deframer(
      SYNC_MESSAGE_BYTES_MAX,
      (bytes) => {
        heard.push(nameOf(bytes));
        say(`heard ${heard.at(-1)}`);
        if (recorded[next] !== undefined && recorded[next]!.from !== as) next += 1;
        step();
      },
      () => heard.push('unknown'),
    );
    openTap(at, {
      side: as,
      intent: 'always',
      say,
      onLink(link) {
        if (came) return link.close();
        came = true;
        send = (bytes) => link.send(bytes);
        link.receive((bytes) => deframer.push(bytes), end);
        step();
      },
    }).then((open) => {
      close = () => open.close();
      patience();
    }, reject);
  });
  if (!came)
    throw new SundialError('nobody_came', 'no device came to this link', {
      severity: 'process',
      remedy: 'Start it first, at the same address.',
    });
  return { said, heard, then, same: heard.join() === then.join() };
}
