/** What a payee's office asks the hub for. It checks what it is told: every payment carries who signed it. */
import { type HubKey, signAs } from '../crypto/sign-as.ts';
import { toHex } from '../../protocol/bytes.ts';
import type { Position } from '../../protocol/integers.ts';
import type { Signing } from '../../protocol/signing/digests.ts';
import { tickEntry } from '../../protocol/vouchers.ts';
import { channelsOf, entryId, knownEntry, topOf } from '../intake/books.ts';
import { standingOf } from '../intake/cover.ts';
import { endedLeases } from '../intake/leases.ts';
import { layersGet } from '../intake/layers.ts';
import { unpack } from '../intake/packed.ts';
import { positionOf } from '../intake/positions.ts';
import type { Books, Entry, IntakeContext, IntakeState } from '../intake/state.ts';
import { keyNumber } from '../intake/trie.ts';
import { pageEntriesMax } from '../limits.ts';
import type { RegistryState } from '../registry/registry.ts';

/** What the pages are answered from. */
export interface OfficeSources {
  readonly signing: Signing;
  readonly context: Pick<IntakeContext, 'timing'>;
  readonly key: HubKey;
  readonly state: IntakeState;
  /** Durable ones. */
  readonly books: Books;
  readonly registry: RegistryState;
  /** Payees (keys) by scope (key). */
  readonly scopes: Readonly<Record<string, readonly string[]>>;
}

/** A payment as a terminal's claims file has it, too. */
export interface ClaimView {
  /** The collected voucher or stream, in base64url. */
  readonly proof: string;
  readonly reveal?: { readonly k: number; readonly preimage: string };
  readonly acknowledgement?: { readonly position: number; readonly at: number; readonly signature: string };
}

/**
 * Of each channel behind `after` (a key, as the page before gave it) the payment that claims most for a payee (0x hex), unless L2 has settled as much, with the
 * hub's acknowledgement of it; a page of them, and where the next one begins.
 */
export async function claimViews(
  sources: OfficeSources,
  payee: string,
  after: string,
): Promise<{ readonly claims: readonly ClaimView[]; readonly after?: string }> {
  const { books, registry } = sources;
  const claims: ClaimView[] = [];
  for (const [key, book] of channelsOf(books)) {
    if (key <= after) continue;
    const channel = keyNumber(key);
    const entry = layersGet(book.claims, payee.slice(2));
    if (entry === undefined) continue;
    const settled = registry.heads[String(channel)]?.settled[payee]?.paid ?? 0;
    if (topOf(entry) <= settled) continue;
    claims.push(await claimView(sources, entry));
    if (claims.length === pageEntriesMax) return { claims, after: key };
  }
  return { claims };
}

async function claimView(
  { signing, key, state, books, context }: OfficeSources,
  entry: Entry,
): Promise<ClaimView> {
  const { stream, message } = entry;
  const reveal =
    stream === undefined || stream.k === 0 ? undefined : { k: stream.k, preimage: toHex(stream.preimage) };
  const voucher = entryId(entry);
  const id = reveal === undefined ? voucher : tickEntry(signing.suite, voucher, stream!.k, stream!.preimage);
  const token = reveal === undefined ? entry.token : knownEntry(books, id)?.token;
  const position = token === undefined ? undefined : positionOf(state, token);
  const { block } = state;
  const proof = Buffer.from(unpack(message)).toString('base64url');
  const isGood = standingOf(context, { ...state, books }, entry.channel) !== 'waits';
  if (position === undefined || block === undefined || !isGood) return { proof, ...(reveal && { reveal }) };
  const word = { entry: id, position: position as Position, at: block.at };
  const signature = toHex(await signAs(signing, key, 'Acknowledgement', word));
  return { proof, ...(reveal && { reveal }), acknowledgement: { position, at: block.at, signature } };
}

/** A payee's ended leases; a page of them at most. */
export function leaseViews({ context, state, books, scopes }: OfficeSources, payee: string) {
  const own = { timing: context.timing, scopes };
  const leases = endedLeases(own, { ...state, books }, payee.slice(2), pageEntriesMax);
  return { now: state.block?.at ?? 0, leases };
}
