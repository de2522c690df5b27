/*
 * The natives of every board that compute. Each writes into an array that the caller made, so that none of them
 * allocates and no pointer into the heap outlives a collection.
 */
#include "crypto.h"
#include "machine.h"

static void native_keccak256(struct sxMachine *the)
{
	size_t size = 0;
	uint8_t *hash = argument_bytes_of(the, 1, 32);
	const uint8_t *bytes = argument_bytes(the, 0, &size);
	keccak256(bytes, size, hash);
}

static void native_sha256(struct sxMachine *the)
{
	size_t size = 0;
	uint8_t *hash = argument_bytes_of(the, 1, 32);
	const uint8_t *bytes = argument_bytes(the, 0, &size);
	sha256(bytes, size, hash);
}

static void native_crc32(struct sxMachine *the)
{
	size_t size = 0;
	const uint8_t *bytes = argument_bytes(the, 0, &size);
	return_number(the, crc32(0, bytes, size));
}

static void native_secp_address(struct sxMachine *the)
{
	uint8_t *address = argument_bytes_of(the, 1, 20);
	return_boolean(the, secp_address(argument_bytes_of(the, 0, 32), address));
}

static void native_secp_sign(struct sxMachine *the)
{
	uint8_t *signature = argument_bytes_of(the, 2, 64);
	const uint8_t *secret = argument_bytes_of(the, 1, 32);
	return_boolean(the, secp_sign(argument_bytes_of(the, 0, 32), secret, signature));
}

static void native_secp_recover(struct sxMachine *the)
{
	uint8_t *address = argument_bytes_of(the, 2, 20);
	const uint8_t *signature = argument_bytes_of(the, 1, 64);
	return_boolean(the, secp_recover(argument_bytes_of(the, 0, 32), signature, address));
}

const struct native crypto_natives[] = {
	{ "keccak256", native_keccak256, 2 },
	{ "sha256", native_sha256, 2 },
	{ "crc32", native_crc32, 1 },
	{ "secpAddress", native_secp_address, 2 },
	{ "secpSign", native_secp_sign, 3 },
	{ "secpRecover", native_secp_recover, 3 },
};
const size_t crypto_natives_count = sizeof(crypto_natives) / sizeof(crypto_natives[0]);
