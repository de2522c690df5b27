/** CRC-32 (IEEE 802.3, as in zlib and Ethernet): guards frames on the link and records in flash. */

const TABLE = /* @__PURE__ */ makeTable();

function makeTable(): Uint32Array {
  const table = new Uint32Array(256);
  for (let i = 0; i < 256; i++) {
    let value = i;
    for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
    table[i] = value >>> 0;
  }
  return table;
}

/** Unsigned 32-bit checksum of the bytes; `before` is that of the bytes in front of them. */
export function crc32(bytes: Uint8Array, before = 0): number {
  let value = before ^ 0xffffffff;
  for (let i = 0; i < bytes.length; i++) value = (value >>> 8) ^ TABLE[(value ^ bytes[i]!) & 255]!;
  return (value ^ 0xffffffff) >>> 0;
}
