/**
 * The root of a simulated hub and the keys that it certifies: one after the other, each for a third longer than until the
 * next begins. The operator makes a certificate shortly before it is needed, as it should.
 */
import type { Seconds } from '../../protocol/integers.ts';
import { seconds } from '../../protocol/integers.ts';
import { HUB_KEY_AHEAD_MAX, HUB_KEY_LIFE_MAX } from '../../protocol/limits.ts';
import { type HubKey, hubKeyIn, type HubPin, hubPin } from '../../protocol/machines/hub-keys.ts';
import type { Signing } from '../../protocol/signing/digests.ts';
import type { MessageOf } from '../../protocol/wire/messages.ts';
import type { Random } from '../stage/world/random.ts';
import type { SimulatedKey, SimulatedSuite } from '../stage/world/suite.ts';
import { START_SECONDS } from '../stage/world/world.ts';

/** What a device is told of its hub when it is made. */
export interface HubIdentity {
  readonly pin: HubPin;
  readonly key: HubKey;
}

/** Whose keys they are. */
interface Hub {
  readonly name: string;
  /** Of its certificates. */
  readonly epoch: number;
  /** When the run begins, Unix seconds. */
  readonly startSeconds: number;
}
const SIMULATED: Hub = { name: 'simulated', epoch: 0, startSeconds: START_SECONDS };

/** The first key was there long before the run: several nodes behind show the hub a chain of hours ago. */
const BEFORE_SECONDS = 86_400;

/** The scope that a thief of a hub key names terminals members of. */
export const THIEF_SCOPE = new Uint8Array(32).fill(0x66);

export class HubRoot {
  readonly pin: HubPin;
  /** Day-to-day keys, in the order of their windows. */
  readonly keys: readonly SimulatedKey[];
  /** One more key that was certified, for a second machine that never came: somebody steals it (`loseSpare`). */
  readonly spare: SimulatedKey;
  private readonly certificates: readonly MessageOf<'hubKey'>[];
  private readonly spareWords: (MessageOf<'hubKey'> | MessageOf<'hubKeyRevoked'>)[] = [];
  private readonly root: SimulatedKey;
  private readonly signing: Signing;
  private readonly life: number;
  private readonly epoch: number;

  /** `lifeHours`: how long a key is certified; `forSeconds`: how long the run takes. */
  constructor(
    suite: SimulatedSuite,
    random: Random,
    signing: Signing,
    lifeHours: number,
    forSeconds: number,
    { name, epoch, startSeconds }: Hub = SIMULATED,
  ) {
    const root = suite.key(random.fork('hub root').bytes(32));
    this.root = root;
    this.epoch = epoch;
    this.signing = signing;
    this.spare = suite.key(random.fork('spare hub key').bytes(32));
    this.pin = hubPin(suite, name, root.address);
    const life = Math.min(lifeHours * 3600, HUB_KEY_LIFE_MAX - BEFORE_SECONDS);
    this.life = life;
    const period = Math.floor((life * 2) / 3);
    const count = Math.ceil(forSeconds / period) + 1;
    this.keys = Array.from({ length: count }, (_, i) => suite.key(random.fork(`hub key ${i}`).bytes(32)));
    this.certificates = this.keys.map(({ address: key }, i) => {
      const begins = startSeconds + i * period;
      const from = seconds(begins - (i === 0 ? BEFORE_SECONDS : 0));
      const ahead = Math.min(Math.floor(period / 2), HUB_KEY_AHEAD_MAX);
      const signedAt = seconds(i === 0 ? from : from - ahead);
      return this.certify({ key, from, until: seconds(begins + life), signedAt });
    });
  }

  private certify(
    certified: Pick<MessageOf<'hubKey'>, 'key' | 'from' | 'until' | 'signedAt'>,
  ): MessageOf<'hubKey'> {
    const fields = { ...certified, epoch: this.epoch };
    const signature = this.root.sign(this.signing.digest('HubKey', fields));
    return { type: 'hubKey', ...fields, signature };
  }

  get identity(): HubIdentity {
    return { pin: this.pin, key: hubKeyIn(this.certificates[0]!) };
  }

  /** What the root said by then. */
  words(now: Seconds): readonly (MessageOf<'hubKey'> | MessageOf<'hubKeyRevoked'>)[] {
    return [...this.certificates.filter(({ signedAt }) => signedAt <= now), ...this.spareWords];
  }

  /** Certifies the spare key, which is in a thief's hands. */
  loseSpare(now: Seconds): MessageOf<'hubKey'> {
    const word = this.certify({
      key: this.spare.address,
      from: now,
      until: seconds(now + this.life),
      signedAt: now,
    });
    this.spareWords.push(word);
    return word;
  }

  /** When the spare key ends by its certificate, unix seconds; 0: it has none. */
  get spareUntil(): number {
    const [word] = this.spareWords;
    return word?.type === 'hubKey' ? word.until : 0;
  }

  /** Somebody has the spare key: what a terminal was told, the hub may never have said. */
  get isSpareLost(): boolean {
    return this.spareWords.length > 0;
  }

  /** Takes the spare key back. */
  revokeSpare(now: Seconds): void {
    const fields = { key: this.spare.address, at: now };
    const signature = this.root.sign(this.signing.digest('HubKeyRevoked', fields));
    this.spareWords.push({ type: 'hubKeyRevoked', ...fields, signature });
  }

  /** When the next certificates are made, seconds. */
  get moments(): readonly Seconds[] {
    return this.certificates.slice(1).map(({ signedAt }) => signedAt);
  }
}
