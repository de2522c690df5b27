/**
 * The states of a walk: a state is a row of small integers. Only its 64-bit fingerprint is kept once it was visited,
 * with the row before it and the step that led here, so that the shortest way to a violation can be told.
 */

/** A set of 64-bit fingerprints in one array: 8 bytes an entry, open addressing. */
export class FingerprintSet {
  private slots = new Uint32Array(2 << 16);
  private mask = (1 << 16) - 1;
  size = 0;

  /** Adds it; false when it was there. */
  add(low: number, high: number): boolean {
    // 0,0 marks an empty slot.
    const first = low === 0 && high === 0 ? 1 : low;
    if (this.size * 2 > this.mask) this.grow();
    return this.insert(first, high);
  }

  private insert(low: number, high: number): boolean {
    const { slots, mask } = this;
    for (let i = low & mask; ; i = (i + 1) & mask) {
      const a = slots[2 * i]!;
      const b = slots[2 * i + 1]!;
      if (a === 0 && b === 0) {
        slots[2 * i] = low;
        slots[2 * i + 1] = high;
        this.size += 1;
        return true;
      }
      if (a === low && b === high) return false;
    }
  }

  private grow(): void {
    const old = this.slots;
    this.mask = this.mask * 2 + 1;
    this.slots = new Uint32Array(2 * (this.mask + 1));
    this.size = 0;
    for (let i = 0; i < old.length; i += 2)
      if (old[i] !== 0 || old[i + 1] !== 0) this.insert(old[i]!, old[i + 1]!);
  }
}

/** Fingerprint of a row: two independent 32-bit hashes (murmur3 finalisers over different multipliers). */
export function fingerprint(row: Int32Array): { low: number; high: number } {
  let low = 0x9747b28c;
  let high = 0x3c6ef372;
  for (let i = 0; i < row.length; i++) {
    const word = row[i]!;
    low = Math.imul(low ^ Math.imul(word, 0xcc9e2d51), 0x1b873593);
    low = (low << 13) | (low >>> 19);
    low = (Math.imul(low, 5) + 0xe6546b64) | 0;
    high = Math.imul(high ^ Math.imul(word + i, 0x85ebca6b), 0xc2b2ae35);
    high = (high << 15) | (high >>> 17);
    high = (Math.imul(high, 9) + 0x7f4a7c15) | 0;
  }
  return { low: finish(low), high: finish(high) };
}

function finish(value: number): number {
  let h = value ^ (value >>> 16);
  h = Math.imul(h, 0x85ebca6b);
  h ^= h >>> 13;
  h = Math.imul(h, 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/** A growing array of 32-bit integers. */
export class IntList {
  private items = new Int32Array(1 << 16);
  length = 0;

  push(value: number): void {
    if (this.length === this.items.length) {
      const larger = new Int32Array(2 * this.items.length);
      larger.set(this.items);
      this.items = larger;
    }
    this.items[this.length++] = value;
  }

  at(index: number): number {
    return this.items[index]!;
  }
}

/** Gives equal values equal small numbers; keeps the first of each. */
export class Interner<T> {
  readonly values: T[] = [];
  private readonly numbers = new Map<string, number>();

  /** `text` is the canonical form: two values are equal exactly when their texts are. */
  number(text: string, value: () => T): number {
    const known = this.numbers.get(text);
    if (known !== undefined) return known;
    const number = this.values.length;
    this.numbers.set(text, number);
    this.values.push(value());
    return number;
  }

  get size(): number {
    return this.values.length;
  }
}

/** Names of objects that were seen: states share most of their parts, and no part of a state is ever changed. */
const named = new WeakMap<object, string>();
/** One name for all objects with the same fields, so that the text of a state is as short as its own fields. */
const names = new Map<string, string>();

/** A value as text, the same for equal values and only for these, in this process: absent fields are left out. */
export function canonical(value: unknown): string {
  if (typeof value !== 'object' || value === null) return String(value);
  const known = named.get(value);
  if (known !== undefined) return known;
  const text = textOf(value);
  let name = names.get(text);
  if (name === undefined) {
    // No text of a value begins so.
    name = `\u0001${names.size.toString(36)}`;
    names.set(text, name);
  }
  named.set(value, name);
  return name;
}

/** Fields in order; what they hold by its name. */
function textOf(value: object): string {
  if (value instanceof Uint8Array) {
    let text = '';
    for (const byte of value) text += String.fromCharCode(0x100 + byte);
    return text;
  }
  if (Array.isArray(value)) return `[${value.map(canonical).join()}]`;
  const fields = value as Record<string, unknown>;
  let text = '{';
  for (const key of Object.keys(fields).sort())
    if (fields[key] !== undefined) text += `${key}:${canonical(fields[key])};`;
  return `${text}}`;
}
