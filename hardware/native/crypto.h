/* The native primitives, plain C: no XS, no allocation, no state but the tables of secp_start. */
#ifndef SUNDIAL_CRYPTO
#define SUNDIAL_CRYPTO

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

void keccak256(const uint8_t *bytes, size_t size, uint8_t hash[32]);
void sha256(const uint8_t *bytes, size_t size, uint8_t hash[32]);
size_t frame_encode(const uint8_t *message, size_t size, uint8_t *out);
void record_encode(const uint8_t *payload, size_t size, uint8_t *out, size_t room);
int frame_decode(const uint8_t *frame, size_t size, uint8_t *out);
uint32_t crc32(uint32_t before, const uint8_t *bytes, size_t size);

/* Builds the context once; `seed` (or NULL where there is no entropy) blinds the signing against side channels. */
void secp_start(const uint8_t seed[32]);
bool secp_key_valid(const uint8_t secret[32]);
/* The address of a key: the last 20 bytes of keccak256 over its public key. False for an invalid key. */
bool secp_address(const uint8_t secret[32], uint8_t address[20]);
/* RFC 6979 signature, low S, in EIP-2098's 64 bytes: r, then s with the parity of R's y in its top bit. */
bool secp_sign(const uint8_t digest[32], const uint8_t secret[32], uint8_t signature[64]);
/* The address that signed; false when r or s is out of range, S is high, or no point matches. */
bool secp_recover(const uint8_t digest[32], const uint8_t signature[64], uint8_t address[20]);

#endif
