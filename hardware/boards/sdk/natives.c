/*
 * The natives of hardware/native on the SDK's own XS: the same C for digests, frames and curves as on every other
 * board, and the console and entropy of this one. Where machine.c owns the engine, here the SDK does.
 */
#include "xsmc.h"
#include "xsHost.h"

#include <stdio.h>
#include <stdlib.h>

#define sxMachine xsMachineRecord /* as xs.h calls it outside of the engine */
#include "machine.h"
#include "natives.h"

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

void board_print(const char *text)
{
	fputs(text, stdout);
	fflush(stdout);
}

/* On the ESP32 it is a true source while the radio or the ADC runs. */
bool board_random(struct bytes out)
{
#if ESP32
	esp_fill_random(out.at, out.size);
	return true;
#else
	return getentropy(out.at, out.size) == 0;
#endif
}

struct bytes argument_bytes(xsMachine *the, int index)
{
	void *data = NULL;
	xsUnsignedValue length = 0;
	if (index >= xsmcArgc) xsTypeError("an argument is missing");
	xsmcGetBufferReadable(xsArg(index), &data, &length);
	return (struct bytes){ data, length };
}

uint8_t *argument_bytes_of(xsMachine *the, int index, size_t size)
{
	struct bytes bytes = argument_bytes(the, index);
	if (bytes.size != size) xsTypeError("an argument has the wrong length");
	return bytes.at;
}

uint32_t argument_unsigned(xsMachine *the, int index)
{
	double value = index < xsmcArgc ? xsmcToNumber(xsArg(index)) : -1;
	if (!(value >= 0 && value <= UINT32_MAX) || value != (double)(uint32_t)value)
		xsTypeError("an argument is no 32-bit integer");
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
	board_print(argument_string(the, 0));
}

static void native_random(xsMachine *the)
{
	return_boolean(the, board_random(argument_bytes(the, 0)));
}

static const struct native own_natives[] = {
	{ "print", native_print, 1 },
	{ "random", native_random, 1 },
	{ NULL, NULL, 0 },
};

void natives_install(xsMachine *the, const struct native *native)
{
	xsmcVars(2);
	xsmcGet(xsVar(0), xsGlobal, xsID("natives"));
	for (; native->name; native++) {
		xsVar(1) = xsNewHostFunction(native->function, native->arguments);
		xsmcSet(xsVar(0), xsID(native->name), xsVar(1));
	}
}

void xs_sundial_natives(xsMachine *the)
{
	uint8_t seed[32];
	if (!board_random((struct bytes){ seed, sizeof(seed) })) fault("no_entropy");
	secp_start(seed);
	xsmcSetNewObject(xsResult);
	xsmcSet(xsGlobal, xsID("natives"), xsResult);
	natives_install(the, own_natives);
	natives_install(the, crypto_natives);
}
