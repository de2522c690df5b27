/**
 * How bad links are, by whose they are: everybody's, one group's, one device's. A fault of everybody's links leaves out
 * the groups that have faults of that kind of their own. Where several apply, a link has the worst of each.
 */
import type { FaultKind } from '../faults/kinds.ts';
import type { Fault } from '../faults/schedule.ts';
import { calm, type Conditions } from './conditions.ts';

/** Somebody with links, as the scenario describes them. */
export interface LinkOwner {
  readonly name: string;
  readonly group?: string;
}

/** Stands for all without a group; no name has no letters. */
const EVERYBODY = '';

/** The worst of all, whatever they are at the moment of looking. */
function worst(all: readonly Conditions[]): Conditions {
  const [only] = all;
  if (all.length === 1) return only!;
  const view = {} as Conditions;
  for (const key of Object.keys(only!) as (keyof Conditions)[])
    Object.defineProperty(view, key, {
      get: () => Math.max(...all.map((one) => one[key])),
      enumerable: true,
    });
  return view;
}

export class Weather {
  readonly everybody = calm();
  /** By the name of a group or of a device. */
  private readonly own = new Map<string, Conditions>();
  /** Kinds of which a group has faults of its own. */
  private readonly excepted = new Map<string, ReadonlySet<FaultKind>>();
  private readonly groupOf = new Map<string, string>();
  private readonly views = new Map<string, Conditions>();

  /** `named`: groups and devices whose links are hit apart from all others. */
  constructor(
    owners: readonly LinkOwner[],
    groups: readonly { readonly name: string; readonly kinds: readonly FaultKind[] }[],
    named: readonly string[],
  ) {
    for (const { name, group } of owners) if (group !== undefined) this.groupOf.set(name, group);
    for (const { name, kinds } of groups) {
      this.own.set(name, calm());
      this.excepted.set(name, new Set(kinds));
    }
    for (const name of named) if (!this.own.has(name)) this.own.set(name, calm());
  }

  /** Whose conditions count for a device: its own, if it is named, and its group's or everybody's. */
  private labelsOf(name: string): string[] {
    const group = this.groupOf.get(name) ?? EVERYBODY;
    return this.own.has(name) ? [name, group] : [group];
  }

  /** Conditions of the links of a device, or of a link between two. */
  of(...names: readonly string[]): Conditions {
    if (this.own.size === 0) return this.everybody;
    // Kept by whose conditions count, which are few, and not by pairs of devices.
    const labels = [...new Set(names.flatMap((name) => this.labelsOf(name)))].sort();
    const key = labels.join(' ');
    let view = this.views.get(key);
    if (view === undefined) {
      view = worst(labels.map((label) => this.own.get(label) ?? this.everybody));
      this.views.set(key, view);
    }
    return view;
  }

  /** What a fault of links makes worse. */
  hitBy({ kind, links }: Fault): Conditions[] {
    if (links !== undefined) return [this.own.get(links)!];
    const groups = [...this.excepted].filter(([, kinds]) => !kinds.has(kind));
    return [this.everybody, ...groups.map(([name]) => this.own.get(name)!)];
  }

  /** All faults are over. */
  clear(): void {
    for (const conditions of [this.everybody, ...this.own.values()]) Object.assign(conditions, calm());
  }
}
