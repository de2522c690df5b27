/*
 * What stands in an image for the parts of XS that no bundle of a device uses. build.mjs of the board and built-ins.mjs
 * list them; what only they referred to falls away. A bundle that uses one fails when it is built, or at its start.
 */
#include "xsAll.h"
#include "machine.h"

/* A function of the language. */
void unused_built_in(txMachine *the);
void unused_built_in(txMachine *the)
{
	mxTypeError("left out of this image");
}
#define ALIAS(name) void name(txMachine *the) __attribute__((alias("unused_built_in")));
UNUSED_BUILT_INS(ALIAS)

/* The builder of a global object, which stays undefined. */
void unused_builder(txMachine *the);
void unused_builder(txMachine *the)
{
	(void)the;
}

/* The engine's table of how to compute with big integers, where there are none. */
const txTypeBigInt unused_big_int;
