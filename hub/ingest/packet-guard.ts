/**
 * Bounds the size of MQTT packets before the broker buffers them: the parser would collect up to 256 MiB for a
 * client that merely claims to send that much. The guard reads only the fixed header of each packet. And it holds back
 * who sends faster than it may: the bytes stay with the sender, as the network does it.
 */
import { Duplex } from 'node:stream';

/** Most bytes of the length field in an MQTT fixed header. */
const LENGTH_BYTES_MAX = 4;

/** Milliseconds for which a connection is held back in one go; then it is asked about again. */
const HELD_MAX_MS = 60_000;

/** Counts through a byte stream of MQTT packets; `feed` is false as soon as one is larger than allowed. */
export class PacketSizes {
  private readonly bytesMax: number;
  private left = 0;
  /** Packets that began so far. */
  begun = 0;
  /** Undefined between packets; else the length read so far. */
  private header: { length: number; digits: number } | undefined;

  constructor(bytesMax: number) {
    this.bytesMax = bytesMax;
  }

  /** Takes the next bytes; false when they begin a packet that is too large. */
  feed(chunk: Uint8Array): boolean {
    for (let at = 0; at < chunk.length; ) {
      if (this.left > 0) {
        const skipped = Math.min(this.left, chunk.length - at);
        this.left -= skipped;
        at += skipped;
        continue;
      }
      if (this.header === undefined) {
        this.header = { length: 0, digits: 0 };
        this.begun += 1;
        at += 1;
        continue;
      }
      const byte = chunk[at]!;
      at += 1;
      this.header.length += (byte & 127) * 128 ** this.header.digits;
      this.header.digits += 1;
      if (this.header.length > this.bytesMax) return false;
      if ((byte & 128) === 0) {
        this.left = this.header.length;
        this.header = undefined;
      } else if (this.header.digits === LENGTH_BYTES_MAX) {
        return false;
      }
    }
    return true;
  }
}

/**
 * A connection like `socket` that is destroyed when a packet above `bytesMax` begins; `onTooLarge` is told. `pace` says
 * for how many milliseconds nothing more is read after so many bytes, in which so many packets began.
 */
export function guardPackets(
  socket: Duplex,
  bytesMax: number,
  onTooLarge: () => void,
  pace: (bytes: number, packets: number) => number = () => 0,
): Duplex {
  const sizes = new PacketSizes(bytesMax);
  let held: NodeJS.Timeout | undefined;
  const hold = (ms: number): void => {
    socket.pause();
    held = setTimeout(
      () => {
        held = undefined;
        socket.resume();
      },
      Math.min(ms, HELD_MAX_MS),
    );
  };
  const guarded = new Duplex({
    read: () => {
      if (held === undefined) socket.resume();
    },
    write: (chunk, encoding, done) => {
      socket.write(chunk, encoding, done);
    },
    final: (done) => {
      socket.end(() => done());
    },
    destroy: (error, done) => {
      clearTimeout(held);
      socket.destroy();
      done(error);
    },
  });
  socket.on('data', (chunk: Uint8Array) => {
    const before = sizes.begun;
    if (!sizes.feed(chunk)) {
      onTooLarge();
      guarded.destroy();
      return;
    }
    const waitMs = pace(chunk.length, sizes.begun - before);
    if (waitMs > 0) hold(waitMs);
    if (!guarded.push(chunk)) socket.pause();
  });
  socket.on('end', () => guarded.push(null));
  socket.on('error', (error) => guarded.destroy(error));
  socket.on('close', () => guarded.destroy());
  return guarded;
}
