/**
 * Bounds the size of MQTT packets before the broker buffers them: the parser would collect up to 256 MiB for a
 * client that merely claims to send that much. The guard reads only the fixed header of each packet.
 */
import { Duplex } from 'node:stream';

/** Most bytes of the length field in an MQTT fixed header. */
const LENGTH_BYTES_MAX = 4;

/** Counts through a byte stream of MQTT packets; `feed` is false as soon as one is larger than allowed. */
export class PacketSizes {
  private readonly bytesMax: number;
  private left = 0;
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

/** A connection like `socket` that is destroyed when a packet above `bytesMax` begins; `onTooLarge` is told. */
export function guardPackets(socket: Duplex, bytesMax: number, onTooLarge: () => void): Duplex {
  const sizes = new PacketSizes(bytesMax);
  const guarded = new Duplex({
    read: () => {
      socket.resume();
    },
    write: (chunk, encoding, done) => {
      socket.write(chunk, encoding, done);
    },
    final: (done) => {
      socket.end(() => done());
    },
    destroy: (error, done) => {
      socket.destroy();
      done(error);
    },
  });
  socket.on('data', (chunk: Uint8Array) => {
    if (!sizes.feed(chunk)) {
      onTooLarge();
      guarded.destroy();
      return;
    }
    if (!guarded.push(chunk)) socket.pause();
  });
  socket.on('end', () => guarded.push(null));
  socket.on('error', (error) => guarded.destroy(error));
  socket.on('close', () => guarded.destroy());
  return guarded;
}
