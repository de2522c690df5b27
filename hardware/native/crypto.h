/* The native primitives, plain C: no XS, no allocation, no state but the tables of secp_start. */
#ifndef SUNDIAL_CRYPTO
#define SUNDIAL_CRYPTO

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bytes {
	uint8_t *at;
	size_t size;
};

void keccak256(struct bytes message, uint8_t hash[32]);
void sha256(struct bytes message, uint8_t hash[32]);

/* Builds the context once; `seed` (or NULL where there is no entropy) blinds the signing against side channels. */
void secp_start(const uint8_t seed[32]);
bool secp_key_valid(const uint8_t secret[32]);
/* The address of a key: the last 20 bytes of keccak256 over its public key. False for an invalid key. */
bool secp_address(const uint8_t secret[32], uint8_t address[20]);
/* RFC 6979 signature, low S, in EIP-2098's 64 bytes: r, then s with the parity of R's y in its top bit. */
bool secp_sign(const uint8_t digest[32], const uint8_t secret[32], uint8_t signature[64]);
/* The address that signed; false when r or s is out of range, S is high, or no point matches. */
bool secp_recover(const uint8_t digest[32], const uint8_t signature[64], uint8_t address[20]);

/* frame.c. Reflected polynomial 0xedb88320; `before` is the sum of what came before, or 0. */
uint32_t crc32(uint32_t before, struct bytes bytes);
/* Writes the frame with its closing zero. Returns its size, 0 when `out` is too small for any message of that size. */
size_t frame_encode(struct bytes message, struct bytes out);
/*
 * The message of a frame without its closing zero, into `out` of at least the frame's size, which may be the frame
 * itself. Returns its size, -1 for garbage.
 */
int frame_decode(struct bytes frame, struct bytes out);
/* Head and payload of a record, then 0xff to the end of `out`; returns its sum, which goes on from `before`. */
uint32_t record_seal(struct bytes payload, struct bytes out, uint32_t before);

#endif
