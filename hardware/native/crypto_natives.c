/*
 * The natives of every board that compute. Each writes into an array that the caller made, so that none of them
 * allocates and no pointer into the heap outlives a collection.
 */
#include <string.h>

#include "machine.h"

static void native_keccak256(struct sxMachine *the)
{
	keccak256(argument_bytes(the, 0), argument_bytes_of(the, 1, 32));
}

static void native_sha256(struct sxMachine *the)
{
	sha256(argument_bytes(the, 0), argument_bytes_of(the, 1, 32));
}

static void native_crc32(struct sxMachine *the)
{
	return_number(the, crc32(argument_unsigned(the, 1), argument_bytes(the, 0)));
}

static void native_equal(struct sxMachine *the)
{
	struct bytes one = argument_bytes(the, 0), other = argument_bytes(the, 1);
	return_boolean(the, one.size == other.size && memcmp(one.at, other.at, one.size) == 0);
}

static void native_frame_encode(struct sxMachine *the)
{
	return_number(the, (double)frame_encode(argument_bytes(the, 0), argument_bytes(the, 1)));
}

static void native_frame_decode(struct sxMachine *the)
{
	struct bytes frame = argument_bytes(the, 0);
	uint32_t used = argument_unsigned(the, 2);
	if (used < frame.size) frame.size = used;
	return_number(the, frame_decode(frame, argument_bytes(the, 1)));
}

static void native_record_seal(struct sxMachine *the)
{
	struct bytes payload = argument_bytes(the, 0), out = argument_bytes(the, 1);
	return_number(the, record_seal(payload, out, argument_unsigned(the, 2)));
}

static void native_secp_address(struct sxMachine *the)
{
	return_boolean(the, secp_address(argument_bytes_of(the, 0, 32), argument_bytes_of(the, 1, 20)));
}

static void native_secp_sign(struct sxMachine *the)
{
	uint8_t *digest = argument_bytes_of(the, 0, 32), *secret = argument_bytes_of(the, 1, 32);
	return_boolean(the, secp_sign(digest, secret, argument_bytes_of(the, 2, 64)));
}

static void native_secp_recover(struct sxMachine *the)
{
	uint8_t *digest = argument_bytes_of(the, 0, 32), *signature = argument_bytes_of(the, 1, 64);
	return_boolean(the, secp_recover(digest, signature, argument_bytes_of(the, 2, 20)));
}

const struct native crypto_natives[] = {
	{ "keccak256", native_keccak256, 2 },
	{ "sha256", native_sha256, 2 },
	{ "crc32", native_crc32, 2 },
	{ "equal", native_equal, 2 },
	{ "frameEncode", native_frame_encode, 2 },
	{ "frameDecode", native_frame_decode, 3 },
	{ "recordSeal", native_record_seal, 3 },
	{ "secpAddress", native_secp_address, 2 },
	{ "secpSign", native_secp_sign, 3 },
	{ "secpRecover", native_secp_recover, 3 },
	{ NULL, NULL, 0 },
};
