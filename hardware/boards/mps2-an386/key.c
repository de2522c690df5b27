/*
 * The device's key, in a block of flash behind those of the journal. JavaScript can have a digest signed and learn the
 * address; the secret stays here. A board with a secure element keeps the same two functions.
 */
#include <string.h>

#include "../../native/crypto.h"
#include "../../native/machine.h"
#include "board.h"

enum { MAGIC = 0x4b444e53 };

/* In the file behind the journal's blocks, complemented like them. */
#define STORED ((struct stored *)(NV_BASE + FLASH_BLOCKS * FLASH_BLOCK))
struct stored {
	uint32_t magic; /* written last: a key half written is no key */
	uint32_t check;
	uint8_t secret[32];
};

static uint8_t address[20], secret[32];
static bool is_blinded;

/*
 * The emulated board has no source of randomness. The launcher's seed, the number of starts and a counter give bytes
 * that differ, and the board says that they are not certified: no hub outside development accepts its key.
 */
bool board_random(uint8_t *out, size_t size)
{
	static uint32_t calls;
	static const uint8_t none[32];
	uint8_t block[44], made[32];
	if (CONTROL->no_entropy) return false;
	for (int i = 0; i < 32; i++) block[i] = CONTROL->seed[i];
	if (!memcmp(block, none, 32)) return false;
	uint32_t boots = CONTROL->boots;
	memcpy(block + 32, &boots, 4);
	for (uint32_t counter = 0; size > 0; counter++) {
		calls++;
		memcpy(block + 36, &calls, 4);
		memcpy(block + 40, &counter, 4);
		sha256(block, sizeof(block), made);
		size_t part = size < 32 ? size : 32;
		memcpy(out, made, part);
		out += part;
		size -= part;
	}
	return true;
}

bool board_entropy_certified(void)
{
	return false;
}

void key_start(bool blinded)
{
	is_blinded = blinded;
	if (STORED->magic != MAGIC) {
		/* One draw in 2^128 is no valid key; a source that gives such ones again and again is broken. */
		int draws = 0;
		do
			if (!board_random(secret, sizeof(secret)) || draws++ == 4) fault("no_entropy");
		while (!secp_key_valid(secret));
		for (int i = 0; i < 32; i++) STORED->secret[i] = (uint8_t)~secret[i];
		STORED->check = crc32(0, secret, sizeof(secret));
		STORED->magic = MAGIC;
	}
	for (int i = 0; i < 32; i++) secret[i] = (uint8_t)~STORED->secret[i];
	if (crc32(0, secret, sizeof(secret)) != STORED->check || !secp_address(secret, address)) fault("key_corrupt");
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
