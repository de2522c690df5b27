/**
 * What the providers here use of ECMA-419 as SDK 8.2 ships it and @moddable/typings 5.6, the newest on npm, has not:
 * flash, key-value storage, the GATT server, a pin and TCP.
 */
declare module 'embedded:storage/flash' {
  export interface Flash {
    close(): void;
    /** Blocks from `start` to before `end`. */
    eraseBlock(start: number, end?: number): void;
    read(byteLength: number, byteOffset: number): ArrayBuffer;
    write(bytes: Uint8Array | ArrayBuffer, byteOffset: number): void;
    /** The ESP32's leaves `writeAlign` out. */
    status(): { size: number; blockLength: number; blocks: number; writeAlign?: number };
  }
  const storage: { open(options: { path: string; mode?: 'r' | 'r+' }): Flash };
  export default storage;
}

declare module 'embedded:storage/key-value' {
  export interface Storage {
    close(): void;
    /** Undefined when there is no such key. */
    read(key: string): ArrayBuffer | undefined;
    write(key: string, value: Uint8Array | ArrayBuffer): void;
    delete(key: string): void;
  }
  const storage: { open(options: { path: string; format?: 'buffer'; mode?: 'r' | 'r+' }): Storage };
  export default storage;
}

declare module 'embedded:io/bluetoothle/peripheral' {
  export const GATTServer: import('../esp32/ble.ts').ServerClass;
}

declare module 'embedded:io/digital' {
  export default class Digital {
    static readonly InputPullUp: number;
    static readonly Falling: number;
    constructor(options: {
      pin: number;
      mode: number;
      edge?: number;
      onReadable?(this: Digital): void;
    });
    read(): number;
    close(): void;
  }
}

declare module 'embedded:io/socket/tcp' {
  const TCP: unknown;
  export default TCP;
}

declare module 'sundial/natives' {
  /** Makes `globalThis.natives`; ends in the fault `no_entropy` when there is none. */
  export default function install(): void;
}

declare module 'sundial/linux' {
  /** Adds what Linux offers to `globalThis.natives`. */
  export default function install(): void;
}
