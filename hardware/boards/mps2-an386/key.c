/*
 * The device's key, in a block of flash behind those of the journal. JavaScript can have a digest signed and learn the
 * address; the secret stays here. A board with a secure element keeps the same two functions.
 */
#include <string.h>

#include "board.h"

enum { MAGIC = 0x4b444e53 };

static struct stored {
	uint32_t magic; /* written last: a key half written is no key */
	uint32_t check;
	uint8_t secret[32];
} *const stored = (struct stored *)(NV_BASE + NOR_BLOCKS * NOR_BLOCK);

static uint8_t address[20], secret[32];
static bool is_blinded;

/*
 * The emulated board has no source of randomness. The launcher's seed, the number of starts and a counter give bytes
 * that differ, and the board says that they are not certified: no hub outside development accepts its key.
 */
bool board_random(struct bytes out)
{
	static struct {
		uint8_t seed[32];
		uint32_t boots, calls;
	} source;
	static const uint8_t none[32];
	uint8_t made[32];
	for (int i = 0; i < 32; i++) source.seed[i] = CONTROL->seed[i];
	if (CONTROL->no_entropy || !memcmp(source.seed, none, 32)) return false;
	source.boots = CONTROL->boots;
	for (size_t at = 0; at < out.size; at += 32) {
		source.calls++;
		sha256((struct bytes){ (uint8_t *)&source, sizeof(source) }, made);
		memcpy(out.at + at, made, out.size - at < 32 ? out.size - at : 32);
	}
	return true;
}

bool board_entropy_certified(void)
{
	return false;
}

void key_start(bool blinded)
{
	struct bytes key = { secret, sizeof(secret) };
	is_blinded = blinded;
	if (stored->magic != MAGIC) {
		/* One draw in 2^128 is no valid key; a source that gives such ones again and again is broken. */
		int draws = 0;
		do
			if (!board_random(key) || draws++ == 4) fault("no_entropy");
		while (!secp_key_valid(secret));
		memcpy(stored->secret, secret, sizeof(secret));
		stored->check = crc32(0, key);
		stored->magic = MAGIC;
	}
	memcpy(secret, stored->secret, sizeof(secret));
	if (crc32(0, key) != stored->check || !secp_address(secret, address)) fault("key_corrupt");
}

const uint8_t *key_address(void)
{
	return address;
}

bool key_sign(const uint8_t digest[32], uint8_t signature[64])
{
	/* A start without entropy left the curve's secrets open to who watches the chip compute. */
	if (!is_blinded) fault("no_entropy");
	return secp_sign(digest, secret, signature);
}
