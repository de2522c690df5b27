/** What the walk of clearances keeps of a step. */
import type { Message } from '../../../protocol/wire/messages.ts';

/** What a step stored and sent, in order. */
export type Trail =
  | { readonly type: 'persist'; readonly record: object & { readonly type: string } }
  /** `up`: to the hub. */
  | { readonly type: 'say'; readonly message: Message; readonly up: boolean };

export interface Done<S> {
  readonly state: S;
  readonly trail: readonly Trail[];
}
