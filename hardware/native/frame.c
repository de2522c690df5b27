/*
 * The tap link's frames, COBS around message and CRC-32, as device/links/framing.ts defines them, and the journal's
 * records, as device/journal/layout.ts does.
 */
#include <string.h>

#include "crypto.h"

/* Writes the frame with its closing zero; `out` holds size + 4 + (size + 4) / 254 + 2 bytes. Returns its size. */
size_t frame_encode(const uint8_t *message, size_t size, uint8_t *out)
{
	uint32_t sum = crc32(0, message, size);
	size_t code_at = 0, at = 1;
	uint8_t code = 1;
	for (size_t i = 0; i < size + 4; i++) {
		uint8_t byte = i < size ? message[i] : (uint8_t)(sum >> (8 * (i - size)));
		if (byte != 0) {
			out[at++] = byte;
			code++;
		}
		if (byte == 0 || code == 0xff) {
			out[code_at] = code;
			code_at = at++;
			code = 1;
		}
	}
	out[code_at] = code;
	out[at++] = 0;
	return at;
}

/*
 * The message of a frame without its closing zero, into `out` of the frame's size, which may be the frame itself. Returns
 * its size, -1 for garbage.
 */
int frame_decode(const uint8_t *frame, size_t size, uint8_t *out)
{
	size_t length = 0, at = 0;
	while (at < size) {
		uint8_t code = frame[at];
		if (code == 0 || at + code > size) return -1;
		memmove(out + length, frame + at + 1, code - 1u); /* the two may be one */
		length += code - 1u;
		at += code;
		if (code != 0xff && at < size) out[length++] = 0;
	}
	if (length < 4) return -1;
	uint32_t sum = crc32(0, out, length - 4);
	for (int i = 0; i < 4; i++)
		if (out[length - 4 + (size_t)i] != (uint8_t)(sum >> (8 * i))) return -1;
	return (int)(length - 4);
}

/* Head and payload of a record, then 0xff to the end; `out` holds at least 8 bytes more than the payload. */
void record_encode(const uint8_t *payload, size_t size, uint8_t *out, size_t room)
{
	uint8_t head[4] = { (uint8_t)size, (uint8_t)(size >> 8), (uint8_t)~size, (uint8_t)(~size >> 8) };
	uint32_t sum = crc32(crc32(0, head, 2), payload, size);
	memcpy(out, head, 4);
	for (int i = 0; i < 4; i++) out[4 + i] = (uint8_t)(sum >> (8 * i));
	memcpy(out + 8, payload, size);
	memset(out + 8 + size, 0xff, room - 8 - size);
}
