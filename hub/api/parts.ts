/** The parts of a running hub that its pages look at. */
import type { HubConfig } from '../config.ts';
import type { Certificate, HubKeys, Revocation } from '../crypto/hub-keys.ts';
import type { IntakeRuntime } from '../intake/runtime.ts';
import type { OwnerLimits } from '../intake/state.ts';
import type { Journal } from '../ledger/journal.ts';
import type { Ingest, L2 } from '../ports.ts';
import type { Registry } from '../registry/registry.ts';
import type { Rounds } from '../rounds.ts';
import type { Carrier } from '../settle/carrier.ts';
import type { SettleLoop } from '../settle/loop.ts';
import type { Worker } from '../shared/worker.ts';
import type { Watch } from '../watch/watch.ts';
import type { Signing } from '../../protocol/signing/digests.ts';

/** What the pages look at. */
export interface Parts {
  readonly config: HubConfig;
  readonly signing: Signing;
  /** Payees (keys) by scope (key): those of the configuration and the merchants of the desk. */
  readonly scopes: Readonly<Record<string, readonly string[]>>;
  /** 0x address of the key that the hub signs with now. */
  address(): string;
  readonly mqttUrl: string;
  readonly crypto: 'native' | 'noble';
  readonly journal: Journal;
  readonly registry: Registry;
  readonly intake: IntakeRuntime;
  readonly ingest: Ingest;
  readonly l2: L2;
  readonly online: ReadonlySet<string>;
  readonly watch: Watch;
  readonly settle: SettleLoop;
  readonly rounds: Rounds;
  readonly carrier: Carrier | undefined;
  /** Of several workers this one: does it watch and settle, and why it can't look at the database. */
  readonly worker: Pick<Worker, 'isElected' | 'trouble'> | undefined;
  readonly keys: HubKeys;
  revoke(channel: number, revoked: boolean): Promise<void>;
  setLimits(channel: number, limits: OwnerLimits, at: number): Promise<void>;
  takeRootWord(word: Certificate | Revocation): Promise<void>;
}
