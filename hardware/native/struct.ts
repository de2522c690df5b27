/** protocol/wire/struct.ts with structs of plain items read and written at once, in C. */
import { Struct, type StructOf } from '../../protocol/wire/struct.ts';
import type { Writer } from '../../protocol/wire/cbor.ts';
import type { Codec, Item, StructCodec } from '../../protocol/wire/schema.ts';
import { natives } from './natives.ts';

export type { StructOf };

/** Two bytes a field, as struct.c reads them: kind, and how many bits or bytes. Undefined when a field is no item. */
function layoutOf(items: readonly (Item | undefined)[]): Uint8Array | undefined {
  const layout = new Uint8Array(2 * items.length);
  for (const [i, item] of items.entries()) {
    if (item === undefined) return undefined;
    const kind = item.kind === 'uint' ? 0 : item.kind === 'bytes' ? 1 : 2;
    layout[2 * i] = kind + (item.optional ? 4 : 0);
    layout[2 * i + 1] = item.kind === 'uint' ? item.bits : item.kind === 'bytes' ? item.length : 1;
  }
  return layout;
}

/** A struct of plain items. Whatever C does not take goes field by field, which names the error. */
class PlainStruct<F extends Readonly<Record<string, Codec<unknown>>>> extends Struct<F> {
  private readonly layout: Uint8Array;

  constructor(fields: F, layout: Uint8Array) {
    super(fields);
    this.layout = layout;
  }

  override write(writer: Writer, value: StructOf<F>): void {
    if (!natives.structWrite!(writer, this.layout, this.fields, value)) super.write(writer, value);
  }

  override encode(start: Uint8Array, value: StructOf<F>): Uint8Array {
    return natives.structEncode!(start, this.layout, this.fields, value) ?? super.encode(start, value);
  }

  override decode<N extends string>(
    bytes: Uint8Array,
    start: number,
    type: N,
  ): { readonly type: N } & StructOf<F> {
    const value = natives.structDecode!(bytes, this.layout, this.fields, start, type);
    return (value as { readonly type: N } & StructOf<F>) ?? super.decode(bytes, start, type);
  }
}

export function struct<const F extends Readonly<Record<string, Codec<unknown>>>>(
  fields: F,
): StructCodec<StructOf<F>> {
  // Only where the engine's sources are ours to build with: the SDK's natives don't see inside of it.
  const layout = natives.structDecode && layoutOf(Object.entries(fields).map(([, codec]) => codec.item));
  return layout === undefined ? new Struct(fields) : new PlainStruct(fields, layout);
}
