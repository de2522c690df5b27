/**
 * What a host must offer so that a Sundial device can run on it. Types only: protocol/ and device/ import these,
 * hardware/boards/<board>/ implements them. Start with Flash and Link; the others are a line each.
 *
 * Everything but SecureKey.sign is synchronous: a chip has one thread, and a payment must never be half done
 * because something else ran in between. A key may be synchronous, too.
 */

/**
 * Flash: writing only clears bits, erasing works on whole blocks. Two kinds: plain NOR, whose words may be written again
 * (`rewritable`), and parts that keep ECC a word or encrypt it, which take every word once between two erases, usually 16
 * bytes at a time. Offsets and lengths are bytes. Every method throws `flash_fault` when the part reports an error.
 */
export interface Flash {
  /** Bytes in all; a multiple of blockSize. */
  readonly size: number;
  /** Bytes that one erase sets back. */
  readonly blockSize: number;
  /** Bytes of the smallest write; offsets and lengths of writes are multiples of it. A cut tears between words. */
  readonly wordSize: number;
  /** True when a word may be written again with the same value, or with fewer bits set. */
  readonly rewritable: boolean;
  read(offset: number, length: number): Uint8Array;
  /** Returns when the words are in the part, in rising order. Throws when a bit would have to go from 0 to 1. */
  write(offset: number, bytes: Uint8Array): void;
  /** Erases the block that starts at `offset`. */
  erase(offset: number): void;
  /** True when `write` itself reads every word back, and throws `flash_fault` when one does not hold. */
  readonly verifies?: boolean;
  /** Whether these very bytes are read at `offset`; a part without it is read and compared. */
  readonly holds?: (offset: number, bytes: Uint8Array) => boolean;
  /**
   * Whether nothing was written there since it was erased; a part without it reads 0xff there. An encrypted part must
   * have it, as it deciphers what is erased to noise.
   */
  readonly isErased?: (offset: number, length: number) => boolean;
}

/**
 * A byte link to one other device: serial line, BLE connection, socket. It may lose, cut or garble; framing
 * (COBS and CRC-32) is the runtime's work.
 */
export interface Link {
  /** Largest frame that crosses in one piece, bytes. */
  readonly frameSizeMax: number;
  /** Queues bytes to the far end; never blocks. Bytes may be lost when the link drops. */
  send(bytes: Uint8Array): void;
  /** Sets the only receiver; `closed` is called once when the far end is gone. */
  receive(onBytes: (bytes: Uint8Array) => void, onClosed: () => void): void;
  close(): void;
}

/** A link to the hub that carries whole messages (MQTT, or serial behind a reader). */
export interface Uplink {
  /** Queues one message; delivery is not promised. */
  send(message: Uint8Array): void;
  receive(onMessage: (message: Uint8Array) => void, onConnected: (connected: boolean) => void): void;
  close(): void;
}

/** Whole milliseconds since power-up, never going back; and a wall clock only where an RTC kept running. */
export interface Clock {
  monotonicMs(): number;
  /** Unix seconds from a clock that kept running while the power was off, or undefined when there is none. */
  realTimeSeconds(): number | undefined;
  /** Calls back once after `delayMs`; returns a function that cancels. */
  schedule(delayMs: number, callback: () => void): () => void;
}

/** Random bytes fit for keys. `certified` is false where the source is not (an emulated board says so). */
export interface Entropy {
  readonly certified: boolean;
  random(length: number): Uint8Array;
}

/** Signature schemes a payer may hold. secp256k1 signers are recovered; P-256 keys travel with the voucher. */
export type Scheme = 'secp256k1' | 'p256';

/** A private key that never leaves its chip. */
export interface SecureKey {
  readonly scheme: Scheme;
  /** 20 bytes: the last 20 of keccak256 over the uncompressed public key (x, y). */
  readonly address: Uint8Array;
  /** 64 bytes x, y; absent for secp256k1, whose signers are recovered. */
  readonly publicKey?: Uint8Array;
  /**
   * Signs a 32-byte digest; 64 bytes: EIP-2098 compact for secp256k1, r and s for P-256. At once where the key is in this
   * very processor, later where it is asked over a bus. Throws or rejects with KeyFault.
   */
  sign(digest: Uint8Array): Uint8Array | Promise<Uint8Array>;
}

/** The pure functions that the machines compute with; noble everywhere, native C where a host has it. */
export interface CryptoSuite {
  /** Whether `recover` can check P-256; where not, a payer with such a key is refused before it signs. */
  readonly p256: boolean;
  /** 32 bytes. */
  keccak256(bytes: Uint8Array): Uint8Array;
  /**
   * The address (20 bytes) that signed `digest`, or undefined when the signature is not valid: wrong length,
   * high S, zero key, point at infinity. `publicKey` (64 bytes) selects P-256, its absence secp256k1.
   */
  recover(digest: Uint8Array, signature: Uint8Array, publicKey?: Uint8Array): Uint8Array | undefined;
}

/** Whoever wears the device, as far as it can ask: a button, a touch, a line on a terminal. */
export interface Person {
  /**
   * Asks whether the device may pay `amount` token units to `payee` (20 bytes). `answered` is called at most once, in any
   * time; a device that can ask nobody never calls it with true.
   */
  asks(
    question: { readonly amount: number; readonly payee: Uint8Array },
    answered: (yes: boolean) => void,
  ): void;
}

/** An energy meter behind a contactor. */
export interface Meter {
  /** Register reading, watt-hours in all. */
  readingWh(): number;
  /** A vehicle was plugged in: the session's total starts at zero. */
  start(): void;
  /**
   * Lets energy flow until the session's total reaches `energyWh`, then calls back once; `full` when the vehicle took
   * no more before that.
   */
  deliverUpTo(energyWh: number, callback: (full: boolean) => void): void;
  /** Opens the contactor. */
  stop(): void;
}
