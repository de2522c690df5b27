/* keccak256 as Ethereum uses it (domain byte 0x01, not SHA-3's 0x06), and CRC-32 for frames and records. */
#include <string.h>

#include "crypto.h"

static const uint64_t round_constants[24] = {
	0x0000000000000001, 0x0000000000008082, 0x800000000000808a, 0x8000000080008000, 0x000000000000808b,
	0x0000000080000001, 0x8000000080008081, 0x8000000000008009, 0x000000000000008a, 0x0000000000000088,
	0x0000000080008009, 0x000000008000000a, 0x000000008000808b, 0x800000000000008b, 0x8000000000008089,
	0x8000000000008003, 0x8000000000008002, 0x8000000000000080, 0x000000000000800a, 0x800000008000000a,
	0x8000000080008081, 0x8000000000008080, 0x0000000080000001, 0x8000000080008008,
};

static inline uint64_t rotate(uint64_t value, int by)
{
	return (value << by) | (value >> (64 - by));
}

static void permute(uint64_t state[25])
{
	for (int round = 0; round < 24; round++) {
		uint64_t column[5], moved[25];
		/* Written out: with indices modulo five the same steps take twice the instructions. */
#define SUM(x) column[x] = state[x] ^ state[x + 5] ^ state[x + 10] ^ state[x + 15] ^ state[x + 20]
		SUM(0), SUM(1), SUM(2), SUM(3), SUM(4);
#undef SUM
#define MOVE(from, to, by) moved[to] = rotate(state[from] ^ mix, by)
		uint64_t mix = column[4] ^ rotate(column[1], 1);
		moved[0] = state[0] ^ mix;
		MOVE(5, 16, 36), MOVE(10, 7, 3), MOVE(15, 23, 41), MOVE(20, 14, 18);
		mix = column[0] ^ rotate(column[2], 1);
		MOVE(1, 10, 1), MOVE(6, 1, 44), MOVE(11, 17, 10), MOVE(16, 8, 45), MOVE(21, 24, 2);
		mix = column[1] ^ rotate(column[3], 1);
		MOVE(2, 20, 62), MOVE(7, 11, 6), MOVE(12, 2, 43), MOVE(17, 18, 15), MOVE(22, 9, 61);
		mix = column[2] ^ rotate(column[4], 1);
		MOVE(3, 5, 28), MOVE(8, 21, 55), MOVE(13, 12, 25), MOVE(18, 3, 21), MOVE(23, 19, 56);
		mix = column[3] ^ rotate(column[0], 1);
		MOVE(4, 15, 27), MOVE(9, 6, 20), MOVE(14, 22, 39), MOVE(19, 13, 8), MOVE(24, 4, 14);
#undef MOVE
		for (int y = 0; y < 25; y += 5) {
			uint64_t a = moved[y], b = moved[y + 1], c = moved[y + 2], d = moved[y + 3], e = moved[y + 4];
			state[y] = a ^ (~b & c);
			state[y + 1] = b ^ (~c & d);
			state[y + 2] = c ^ (~d & e);
			state[y + 3] = d ^ (~e & a);
			state[y + 4] = e ^ (~a & b);
		}
		state[0] ^= round_constants[round];
	}
}

void keccak256(const uint8_t *bytes, size_t size, uint8_t hash[32])
{
	enum { RATE = 136 }; /* bytes a block for 256 bits of security */
	uint64_t state[25] = { 0 };
	uint8_t *lanes = (uint8_t *)state; /* both hosts are little-endian, as keccak's lanes are */
	for (; size >= RATE; bytes += RATE, size -= RATE) {
		for (int i = 0; i < RATE; i++) lanes[i] ^= bytes[i];
		permute(state);
	}
	for (size_t i = 0; i < size; i++) lanes[i] ^= bytes[i];
	lanes[size] ^= 0x01;
	lanes[RATE - 1] ^= 0x80;
	permute(state);
	memcpy(hash, lanes, 32);
}

/* Reflected polynomial 0xedb88320, four bits at a time: a 64-byte table instead of 1 KB. */
uint32_t crc32(uint32_t before, const uint8_t *bytes, size_t size)
{
	static const uint32_t table[16] = {
		0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4, 0x4db26158, 0x5005713c,
		0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c, 0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
	};
	uint32_t crc = ~before;
	for (; size > 0; size--) {
		crc ^= *bytes++;
		crc = (crc >> 4) ^ table[crc & 15];
		crc = (crc >> 4) ^ table[crc & 15];
	}
	return ~crc;
}
