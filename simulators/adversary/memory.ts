/** What somebody who listens keeps, to say it again. */
import type { Message } from '../../protocol/wire/messages.ts';
import type { Random } from '../stage/world/random.ts';

/** Messages kept: a few hours of a small fleet. The oldest goes. */
const KEPT_MAX = 2000;

export class Memory {
  private readonly kept: Message[] = [];
  private next = 0;

  keep(message: Message): void {
    this.kept[this.next % KEPT_MAX] = message;
    this.next += 1;
  }

  /** Any of them; undefined before the first. */
  pick(random: Random): Message | undefined {
    return this.kept.length === 0 ? undefined : random.pick(this.kept);
  }
}
