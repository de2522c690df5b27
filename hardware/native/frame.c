/*
 * The tap link's frames, COBS around message and CRC-32, as device/links/framing.ts defines them, and the journal's
 * records, as device/journal/layout.ts does. Both are little-endian, as all of these boards are.
 */
#include <string.h>

#include "crypto.h"

/* Four bits at a time: a 64-byte table instead of 1 KB. */
uint32_t crc32(uint32_t before, struct bytes bytes)
{
	static const uint32_t table[16] = {
		0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4, 0x4db26158, 0x5005713c,
		0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c, 0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
	};
	uint32_t crc = ~before;
	for (const uint8_t *byte = bytes.at; byte < bytes.at + bytes.size; byte++) {
		crc ^= *byte;
		crc = (crc >> 4) ^ table[crc & 15];
		crc = (crc >> 4) ^ table[crc & 15];
	}
	return ~crc;
}

size_t frame_encode(struct bytes message, struct bytes out)
{
	uint32_t sum = crc32(0, message);
	size_t size = message.size + 4, code_at = 0, at = 1;
	uint8_t code = 1;
	if (out.size < size + size / 254 + 2) return 0;
	for (size_t i = 0; i < size; i++) {
		uint8_t byte = i < message.size ? message.at[i] : (uint8_t)(sum >> (8 * (i - message.size)));
		if (byte != 0) {
			out.at[at++] = byte;
			code++;
		}
		if (byte == 0 || code == 0xff) {
			out.at[code_at] = code;
			code_at = at++;
			code = 1;
		}
	}
	out.at[code_at] = code;
	out.at[at++] = 0;
	return at;
}

int frame_decode(struct bytes frame, struct bytes out)
{
	size_t length = 0, at = 0;
	if (out.size < frame.size) return -1;
	while (at < frame.size) {
		uint8_t code = frame.at[at];
		if (code == 0 || at + code > frame.size) return -1;
		memmove(out.at + length, frame.at + at + 1, code - 1u); /* the two may be one */
		length += code - 1u;
		at += code;
		if (code != 0xff && at < frame.size) out.at[length++] = 0;
	}
	if (length < 4) return -1;
	uint32_t sum = crc32(0, (struct bytes){ out.at, length - 4 });
	return memcmp(out.at + length - 4, &sum, 4) == 0 ? (int)(length - 4) : -1;
}

uint32_t record_seal(struct bytes payload, struct bytes out, uint32_t before)
{
	uint16_t head[2] = { (uint16_t)payload.size, (uint16_t)~payload.size };
	uint32_t sum = crc32(crc32(before, (struct bytes){ (uint8_t *)head, 2 }), payload);
	if (out.size < 8 + payload.size) return 0;
	memcpy(out.at, head, 4);
	memcpy(out.at + 4, &sum, 4);
	memcpy(out.at + 8, payload.at, payload.size);
	memset(out.at + 8 + payload.size, 0xff, out.size - 8 - payload.size);
	return sum;
}
