/*
 * secp256k1 and sha256 from bitcoin-core's library, whose sources come with the npm package `secp256k1`. The library
 * is one translation unit, so it is included here with the options of a small chip: 32-bit limbs, no big-number
 * library, the tables for signing in flash.
 */
#define USE_NUM_NONE 1
#define USE_FIELD_INV_BUILTIN 1
#define USE_SCALAR_INV_BUILTIN 1
#define USE_FIELD_10X26 1
#define USE_SCALAR_8X32 1
#define USE_ENDOMORPHISM 1
#define ENABLE_MODULE_RECOVERY 1
#define USE_ECMULT_STATIC_PRECOMPUTATION 1
#define USE_EXTERNAL_DEFAULT_CALLBACKS 1

#include "secp256k1.c"

#include "crypto.h"
#include "machine.h"

/* Room for the context: its verification table has 2^(ECMULT_WINDOW_SIZE-2) points of 64 bytes, twice. */
static uint64_t memory[(512 + (2 << (ECMULT_WINDOW_SIZE - 2)) * 64) / 8];
static secp256k1_context *context;

/* An inner check of the library failed: memory is corrupt, and nothing computed from here on may be trusted. */
void secp256k1_default_error_callback_fn(const char *message, void *data)
{
	(void)message;
	(void)data;
	fault("crypto_corrupt");
}

void secp256k1_default_illegal_callback_fn(const char *message, void *data)
{
	secp256k1_default_error_callback_fn(message, data);
}

void secp_start(const uint8_t seed[32])
{
	unsigned int flags = SECP256K1_CONTEXT_SIGN | SECP256K1_CONTEXT_VERIFY;
	if (secp256k1_context_preallocated_size(flags) > sizeof(memory)) fault("crypto_corrupt");
	context = secp256k1_context_preallocated_create(memory, flags);
	if (seed && !secp256k1_context_randomize(context, seed)) fault("crypto_corrupt");
}

bool secp_key_valid(const uint8_t secret[32])
{
	return secp256k1_ec_seckey_verify(context, secret) == 1;
}

static bool address_of(const secp256k1_pubkey *key, uint8_t address[20])
{
	uint8_t encoded[65], hash[32];
	size_t size = sizeof(encoded);
	if (!secp256k1_ec_pubkey_serialize(context, encoded, &size, key, SECP256K1_EC_UNCOMPRESSED)) return false;
	keccak256((struct bytes){ encoded + 1, 64 }, hash);
	memcpy(address, hash + 12, 20);
	return true;
}

bool secp_address(const uint8_t secret[32], uint8_t address[20])
{
	secp256k1_pubkey key;
	return secp256k1_ec_pubkey_create(context, &key, secret) && address_of(&key, address);
}

bool secp_sign(const uint8_t digest[32], const uint8_t secret[32], uint8_t signature[64])
{
	secp256k1_ecdsa_recoverable_signature made;
	int parity = 0;
	if (!secp256k1_ecdsa_sign_recoverable(context, &made, digest, secret, NULL, NULL)) return false;
	if (!secp256k1_ecdsa_recoverable_signature_serialize_compact(context, signature, &parity, &made)) return false;
	/* 2 and 3 mean that R's x is above the group order, which EIP-2098 can't say; it happens once in 2^128. */
	if (parity > 1) return false;
	signature[32] |= (uint8_t)(parity << 7);
	return true;
}

bool secp_recover(const uint8_t digest[32], const uint8_t signature[64], uint8_t address[20])
{
	secp256k1_ecdsa_recoverable_signature parsed;
	secp256k1_ecdsa_signature without_parity;
	secp256k1_pubkey key;
	uint8_t plain[64];
	memcpy(plain, signature, 64);
	int parity = plain[32] >> 7;
	plain[32] &= 0x7f;
	if (!secp256k1_ecdsa_recoverable_signature_parse_compact(context, &parsed, plain, parity)) return false;
	/* A signature with a high S has a twin with a low one, so it is refused. */
	secp256k1_ecdsa_recoverable_signature_convert(context, &without_parity, &parsed);
	if (secp256k1_ecdsa_signature_normalize(context, NULL, &without_parity)) return false;
	return secp256k1_ecdsa_recover(context, &key, &parsed, digest) && address_of(&key, address);
}

void sha256(struct bytes message, uint8_t hash[32])
{
	secp256k1_sha256 state;
	secp256k1_sha256_initialize(&state);
	secp256k1_sha256_write(&state, message.at, message.size);
	secp256k1_sha256_finalize(&state, hash);
}
