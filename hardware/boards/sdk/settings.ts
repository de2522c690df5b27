/** What a factory writes for a device of the SDK: each value in an entry of its own, in the bytes that hardware/README.md names. */

/** Bytes of each entry that no device can be without. */
const ENTRIES = { vault: 20, chainId: 4, hub: 32, root: 20 } as const;

export interface SdkSettings {
  readonly vault: Uint8Array;
  readonly chainId: number;
  readonly hub: Uint8Array;
  readonly root: Uint8Array;
}

/**
 * The settings as a store has them: `not_provisioned` when the factory wrote none of them, `settings_damaged` when some are
 * missing or have another length.
 */
export function settingsIn(
  read: (name: keyof typeof ENTRIES) => ArrayBuffer | undefined,
): SdkSettings | 'not_provisioned' | 'settings_damaged' {
  const found = (Object.keys(ENTRIES) as (keyof typeof ENTRIES)[]).map((name) => {
    const bytes = read(name);
    return { bytes, isWhole: bytes?.byteLength === ENTRIES[name] };
  });
  if (found.every(({ bytes }) => bytes === undefined)) return 'not_provisioned';
  if (!found.every(({ isWhole }) => isWhole)) return 'settings_damaged';
  const [vault, chainId, hub, root] = found.map(({ bytes }) => new Uint8Array(bytes!));
  return {
    vault: vault!,
    chainId: new DataView(chainId!.buffer).getUint32(0),
    hub: hub!,
    root: root!,
  };
}
