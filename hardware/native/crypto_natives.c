/*
 * The natives of every board that compute. Each writes into an array that the caller made, so that none of them
 * allocates and no pointer into the heap outlives a collection.
 */
#include <string.h>

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
	uint32_t before = argument_count(the) > 1 ? argument_unsigned(the, 1) : 0;
	return_number(the, crc32(before, bytes, size));
}

static void native_equal(struct sxMachine *the)
{
	size_t size = 0, other_size = 0;
	const uint8_t *bytes = argument_bytes(the, 0, &size);
	const uint8_t *other = argument_bytes(the, 1, &other_size);
	return_boolean(the, size == other_size && memcmp(bytes, other, size) == 0);
}

/* Big-endian, so that its last byte stands just before `end`; numbers stay below 2^53. */
static void native_write_uint(struct sxMachine *the)
{
	size_t size = 0;
	uint8_t *target = argument_bytes(the, 0, &size);
	size_t at = argument_unsigned(the, 1);
	uint64_t value = argument_uint53(the, 2);
	if (at > size) at = 0;
	for (; value != 0 && at > 0; value >>= 8) target[--at] = (uint8_t)value;
	return_boolean(the, value == 0);
}

static void native_frame_encode(struct sxMachine *the)
{
	size_t size = 0, room = 0;
	const uint8_t *message = argument_bytes(the, 0, &size);
	uint8_t *out = argument_bytes(the, 1, &room);
	bool fits = room >= size + 4 + (size + 4) / 254 + 2;
	return_number(the, fits ? (double)frame_encode(message, size, out) : 0);
}

static void native_frame_decode(struct sxMachine *the)
{
	size_t size = 0, room = 0;
	const uint8_t *frame = argument_bytes(the, 0, &size);
	uint8_t *out = argument_bytes(the, 1, &room);
	size_t used = argument_unsigned(the, 2);
	return_number(the, size >= used && room >= used ? (double)frame_decode(frame, used, out) : -1);
}

static void native_record_encode(struct sxMachine *the)
{
	size_t size = 0, room = 0;
	const uint8_t *payload = argument_bytes(the, 0, &size);
	uint8_t *out = argument_bytes(the, 1, &room);
	bool fits = room >= size + 8;
	if (fits) record_encode(payload, size, out, room);
	return_boolean(the, fits);
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
	{ "crc32", native_crc32, 2 },
	{ "equal", native_equal, 2 },
	{ "writeUint", native_write_uint, 3 },
	{ "frameEncode", native_frame_encode, 2 },
	{ "frameDecode", native_frame_decode, 3 },
	{ "recordEncode", native_record_encode, 2 },
	{ "secpAddress", native_secp_address, 2 },
	{ "secpSign", native_secp_sign, 3 },
	{ "secpRecover", native_secp_recover, 3 },
};
const size_t crypto_natives_count = sizeof(crypto_natives) / sizeof(crypto_natives[0]);
