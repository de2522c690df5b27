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

  private partsOf(name: string): Conditions[] {
    const group = this.groupOf.get(name);
    const parts = [this.own.get(name)];
    // A group's own hold whatever hits everybody, too, but for what it is excepted from.
    parts.push(group === undefined ? this.everybody : this.own.get(group));
    return parts.filter((part) => part !== undefined);
  }

  /** Conditions of the links of a device, or of a link between two. */
  of(...names: readonly string[]): Conditions {
    if (this.own.size === 0) return this.everybody;
    const key = names.join(' ');
    let view = this.views.get(key);
    if (view === undefined) {
      view = worst([...new Set(names.flatMap((name) => this.partsOf(name)))]);
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
