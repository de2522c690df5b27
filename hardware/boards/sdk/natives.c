/*
 * The natives of hardware/native on the SDK's own XS: the same C for digests, frames and curves as on every other
 * board, and the console and entropy of this one. Where machine.c owns the engine, here the SDK does.
 */
#include "xsmc.h"
#include "xsHost.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define sxMachine xsMachineRecord /* as xs.h calls it outside of the engine */
#include "crypto.h"
#include "machine.h"

#if ESP32
#include "esp_random.h"
#include "esp_system.h"
#else
#include <sys/random.h>
#endif

void fault(const char *name)
{
	printf("fault: %s\n", name);
	fflush(stdout);
#if ESP32
	esp_restart();
#else
	exit(70);
#endif
}

void board_print(const char *text, size_t size)
{
	fwrite(text, 1, size, stdout);
	fflush(stdout);
}

/* On the ESP32 it is a true source while the radio or the ADC runs. */
bool board_random(uint8_t *out, size_t size)
{
#if ESP32
	esp_fill_random(out, size);
	return true;
#else
	return getentropy(out, size) == 0;
#endif
}

int argument_count(xsMachine *the)
{
	return xsmcArgc;
}

uint8_t *argument_bytes(xsMachine *the, int index, size_t *size)
{
	void *data = NULL;
	xsUnsignedValue length = 0;
	if (index >= xsmcArgc) xsTypeError("an argument is missing");
	xsmcGetBufferReadable(xsArg(index), &data, &length);
	*size = length;
	return data;
}

uint8_t *argument_bytes_of(xsMachine *the, int index, size_t size)
{
	size_t actual = 0;
	uint8_t *bytes = argument_bytes(the, index, &actual);
	if (actual != size) xsTypeError("an argument has the wrong length");
	return bytes;
}

uint64_t argument_uint53(xsMachine *the, int index)
{
	double value = index < xsmcArgc ? xsmcToNumber(xsArg(index)) : -1;
	if (!(value >= 0 && value <= 9007199254740991.0) || value != (double)(uint64_t)value)
		xsTypeError("an argument is no safe integer");
	return (uint64_t)value;
}

uint32_t argument_unsigned(xsMachine *the, int index)
{
	uint64_t value = argument_uint53(the, index);
	if (value > UINT32_MAX) xsTypeError("an argument is no 32-bit integer");
	return (uint32_t)value;
}

const char *argument_string(xsMachine *the, int index)
{
	if (index >= xsmcArgc) xsTypeError("an argument is missing");
	return xsmcToString(xsArg(index));
}

void return_boolean(xsMachine *the, bool value)
{
	xsmcSetBoolean(xsResult, value);
}

void return_number(xsMachine *the, double value)
{
	xsmcSetNumber(xsResult, value);
}

static void native_print(xsMachine *the)
{
	const char *text = argument_string(the, 0);
	board_print(text, strlen(text));
}

static void native_random(xsMachine *the)
{
	size_t size = 0;
	uint8_t *out = argument_bytes(the, 0, &size);
	return_boolean(the, board_random(out, size));
}

static const struct native own_natives[] = {
	{ "print", native_print, 1 },
	{ "random", native_random, 1 },
};

void machine_install(xsMachine *the, const struct native *natives, size_t count)
{
	xsmcVars(2);
	xsmcGet(xsVar(0), xsGlobal, xsID("natives"));
	for (size_t i = 0; i < count; i++) {
		xsVar(1) = xsNewHostFunction(natives[i].function, natives[i].arguments);
		xsmcSet(xsVar(0), xsID(natives[i].name), xsVar(1));
	}
}

void xs_sundial_natives(xsMachine *the)
{
	uint8_t seed[32];
	if (!board_random(seed, sizeof(seed))) fault("no_entropy");
	secp_start(seed);
	xsmcSetNewObject(xsResult);
	xsmcSet(xsGlobal, xsID("natives"), xsResult);
	machine_install(the, own_natives, sizeof(own_natives) / sizeof(own_natives[0]));
	machine_install(the, crypto_natives, crypto_natives_count);
}
