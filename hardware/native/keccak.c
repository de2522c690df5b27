/* keccak256 as Ethereum uses it: domain byte 0x01, not SHA-3's 0x06. */
#include <string.h>

#include "crypto.h"

/*
 * The even bits of a lane of 64 in one word and the odd ones in another, so that to rotate a lane is to rotate two words,
 * which costs an Arm processor nothing.
 */
struct lane {
	uint32_t half[2];
};

static const struct lane round_constants[24] = {
	{ { 0x1, 0x0 } }, { { 0x0, 0x89 } }, { { 0x0, 0x8000008b } }, { { 0x0, 0x80008080 } },
	{ { 0x1, 0x8b } }, { { 0x1, 0x8000 } }, { { 0x1, 0x80008088 } }, { { 0x1, 0x80000082 } },
	{ { 0x0, 0xb } }, { { 0x0, 0xa } }, { { 0x1, 0x8082 } }, { { 0x0, 0x8003 } },
	{ { 0x1, 0x808b } }, { { 0x1, 0x8000000b } }, { { 0x1, 0x8000008a } }, { { 0x1, 0x80000081 } },
	{ { 0x0, 0x80000081 } }, { { 0x0, 0x80000008 } }, { { 0x0, 0x83 } }, { { 0x0, 0x80008003 } },
	{ { 0x1, 0x80008088 } }, { { 0x0, 0x80000088 } }, { { 0x1, 0x8000 } }, { { 0x0, 0x80008082 } },
};

static inline uint32_t rotate(uint32_t value, unsigned by)
{
	return value << by | value >> ((32 - by) & 31);
}

/* Half of lane `from`, mixed with its column's sums and rotated by `by`: an odd distance exchanges the halves. */
static inline uint32_t take(const struct lane *state, const struct lane *mix, int half, int from, unsigned by)
{
	int other = half ^ (int)(by & 1);
	return rotate(state[from].half[other] ^ mix[from % 5].half[other], (by + !half) / 2);
}

/* Half of the five lanes of a plane, from the lanes that move there; with constants it is straight code. */
__attribute__((always_inline)) static inline void plane(struct lane *to, const struct lane *from, const struct lane *mix,
	int half, int a, unsigned by_a, int b, unsigned by_b, int c, unsigned by_c, int d, unsigned by_d, int e, unsigned by_e)
{
	uint32_t t0 = take(from, mix, half, a, by_a), t1 = take(from, mix, half, b, by_b);
	uint32_t t2 = take(from, mix, half, c, by_c), t3 = take(from, mix, half, d, by_d);
	uint32_t t4 = take(from, mix, half, e, by_e);
	to[0].half[half] = t0 ^ (~t1 & t2);
	to[1].half[half] = t1 ^ (~t2 & t3);
	to[2].half[half] = t2 ^ (~t3 & t4);
	to[3].half[half] = t3 ^ (~t4 & t0);
	to[4].half[half] = t4 ^ (~t0 & t1);
}
#define PLANE(to, ...) plane(to, from, mix, 0, __VA_ARGS__), plane(to, from, mix, 1, __VA_ARGS__)

static void round_of(const struct lane *from, struct lane *to, const struct lane *constant)
{
	struct lane sum[5], mix[5];
#define SUM(x, h) sum[x].half[h] = from[x].half[h] ^ from[x + 5].half[h] ^ from[x + 10].half[h] \
	^ from[x + 15].half[h] ^ from[x + 20].half[h]
	SUM(0, 0); SUM(0, 1); SUM(1, 0); SUM(1, 1); SUM(2, 0); SUM(2, 1); SUM(3, 0); SUM(3, 1); SUM(4, 0); SUM(4, 1);
#undef SUM
#define MIX(x, before, after) \
	mix[x].half[0] = sum[before].half[0] ^ rotate(sum[after].half[1], 1); \
	mix[x].half[1] = sum[before].half[1] ^ sum[after].half[0]
	MIX(0, 4, 1); MIX(1, 0, 2); MIX(2, 1, 3); MIX(3, 2, 4); MIX(4, 3, 0);
#undef MIX
	PLANE(to, 0, 0, 6, 44, 12, 43, 18, 21, 24, 14);
	PLANE(to + 5, 3, 28, 9, 20, 10, 3, 16, 45, 22, 61);
	PLANE(to + 10, 1, 1, 7, 6, 13, 25, 19, 8, 20, 18);
	PLANE(to + 15, 4, 27, 5, 36, 11, 10, 17, 15, 23, 56);
	PLANE(to + 20, 2, 62, 8, 55, 14, 39, 15, 41, 21, 2);
	to[0].half[0] ^= constant->half[0];
	to[0].half[1] ^= constant->half[1];
}

/* Exchanges two groups of bits of a word, which stand `by` apart. */
static inline uint32_t swap_bits(uint32_t word, uint32_t mask, int by)
{
	uint32_t changed = (word ^ word >> by) & mask;
	return word ^ changed ^ changed << by;
}

/* Even bits down, odd bits up. */
static uint32_t split(uint32_t word)
{
	word = swap_bits(swap_bits(word, 0x22222222, 1), 0x0c0c0c0c, 2);
	return swap_bits(swap_bits(word, 0x00f000f0, 4), 0x0000ff00, 8);
}

static uint32_t join(uint32_t word)
{
	word = swap_bits(swap_bits(word, 0x0000ff00, 8), 0x00f000f0, 4);
	return swap_bits(swap_bits(word, 0x0c0c0c0c, 2), 0x22222222, 1);
}

enum { RATE = 136 }; /* bytes a block for 256 bits of security */

/* Both hosts are little-endian, as keccak's lanes are. */
static void absorb(struct lane state[25], const uint8_t block[RATE])
{
	struct lane other[25];
	for (int i = 0; i < RATE / 8; i++) {
		uint32_t words[2];
		memcpy(words, block + 8 * i, 8);
		if ((words[0] | words[1]) == 0) continue;
		uint32_t low = split(words[0]), high = split(words[1]);
		state[i].half[0] ^= (low & 0xffff) | high << 16;
		state[i].half[1] ^= low >> 16 | (high & 0xffff0000);
	}
	for (int round = 0; round < 24; round += 2) {
		round_of(state, other, round_constants + round);
		round_of(other, state, round_constants + round + 1);
	}
}

void keccak256(struct bytes message, uint8_t hash[32])
{
	struct lane state[25] = { 0 };
	uint8_t last[RATE] = { 0 };
	for (; message.size >= RATE; message.at += RATE, message.size -= RATE) absorb(state, message.at);
	memcpy(last, message.at, message.size);
	last[message.size] ^= 0x01;
	last[RATE - 1] ^= 0x80;
	absorb(state, last);
	for (int i = 0; i < 4; i++) {
		uint32_t low = join((state[i].half[0] & 0xffff) | state[i].half[1] << 16);
		uint32_t high = join(state[i].half[0] >> 16 | (state[i].half[1] & 0xffff0000));
		memcpy(hash + 8 * i, &low, 4);
		memcpy(hash + 8 * i + 4, &high, 4);
	}
}
