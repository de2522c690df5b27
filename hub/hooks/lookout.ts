/** What webhooks are told that no record says: devices that have been away for long, and what is wrong with the hub. */
import { healthOf } from '../api/health.ts';
import type { Parts } from '../api/parts.ts';
import { keyWarningSeconds } from '../limits.ts';
import type { Hooks } from './hooks.ts';

/** What is wrong now, by name, in words. */
function troubles(parts: Parts): Map<string, string> {
  const found = new Map<string, string>();
  for (const reason of healthOf(parts).reasons) {
    const [name] = reason.split(':') as [string];
    if (!found.has(name)) found.set(name, reason);
  }
  const { settleTrouble } = parts.rounds;
  if (settleTrouble !== undefined) found.set('settlement', `settlement: ${settleTrouble}`);
  if (parts.keys.left < keyWarningSeconds)
    found.set('keys', `keys: the last certified one ends in ${Math.floor(parts.keys.left / 3600)} hours`);
  return found;
}

/** Looks again and again; what is wrong at two looks in a row is told, and what was told and is well. */
export class Lookout {
  private readonly parts: Parts;
  private readonly hooks: Pick<Hooks, 'alert' | 'gone'>;
  private readonly isRevoked: (device: string) => boolean;
  private readonly nowSeconds: () => number;
  /** When each device was there last, as far as this process saw. */
  private readonly seen = new Map<string, number>();
  private before = new Map<string, string>();
  private readonly told = new Set<string>();

  constructor(
    parts: Parts,
    hooks: Pick<Hooks, 'alert' | 'gone'>,
    isRevoked: (device: string) => boolean,
    nowSeconds: () => number,
  ) {
    this.parts = parts;
    this.hooks = hooks;
    this.isRevoked = isRevoked;
    this.nowSeconds = nowSeconds;
  }

  /** One look. */
  look(): void {
    const { registry, online, config } = this.parts;
    const now = this.nowSeconds();
    const gone = [];
    for (const [address, { payee }] of Object.entries(registry.state.devices)) {
      if (online.has(address) || !this.seen.has(address)) this.seen.set(address, now);
      const since = this.seen.get(address)!;
      if (now - since >= config.webhooks.goneAfter && !this.isRevoked(address))
        gone.push({ address, payee: payee ?? undefined, since });
    }
    this.hooks.gone(gone);
    const wrong = troubles(this.parts);
    for (const [name, words] of wrong)
      if (this.before.has(name) && !this.told.has(name)) {
        this.told.add(name);
        this.hooks.alert(name, words, false);
      }
    for (const name of this.told)
      if (!wrong.has(name)) {
        this.told.delete(name);
        this.hooks.alert(name, `${name}: well again`, true);
      }
    this.before = wrong;
  }
}
