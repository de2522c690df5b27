/*
 * Built-ins that no bundle of a device uses, left out of an image: the linker's --wrap sends XS's builders here, and
 * what only they referred to falls away. The globals stay undefined, so a bundle that uses one fails at its start.
 * Saves about 110 KB of flash, and the slots of some 200 functions.
 */
#include "xsAll.h"
#include "xsScript.h"

#define STRIPPED(name) \
	void __wrap_##name(txMachine *the); \
	void __wrap_##name(txMachine *the) { (void)the; }

STRIPPED(fxBuildAtomics)
STRIPPED(fxBuildDate)
STRIPPED(fxBuildProxy) /* and Reflect */
STRIPPED(fxBuildRegExp)

/* There is no parser on the chip: eval and Function throw. */
txScript *fxParseScript(txMachine *the, void *stream, txGetter getter, txUnsigned flags)
{
	(void)stream;
	(void)getter;
	(void)flags;
	mxSyntaxError("there is no parser on this board");
	return NULL;
}

/* Money is integers: of Math only what those need, which keeps libm's transcendental functions out. */
void __wrap_fxBuildMath(txMachine *the);
void __wrap_fxBuildMath(txMachine *the)
{
	txSlot *slot;
	mxPush(mxObjectPrototype);
	slot = fxLastProperty(the, fxNewObjectInstance(the));
	slot = fxNextHostFunctionProperty(the, slot, mxCallback(fx_Math_abs), 1, mxID(_abs), XS_DONT_ENUM_FLAG);
	slot = fxNextHostFunctionProperty(the, slot, mxCallback(fx_Math_ceil), 1, mxID(_ceil), XS_DONT_ENUM_FLAG);
	slot = fxNextHostFunctionProperty(the, slot, mxCallback(fx_Math_clz32), 1, mxID(_clz32), XS_DONT_ENUM_FLAG);
	slot = fxNextHostFunctionProperty(the, slot, mxCallback(fx_Math_floor), 1, mxID(_floor), XS_DONT_ENUM_FLAG);
	slot = fxNextHostFunctionProperty(the, slot, mxCallback(fx_Math_imul), 2, mxID(_imul), XS_DONT_ENUM_FLAG);
	slot = fxNextHostFunctionProperty(the, slot, mxCallback(fx_Math_max), 2, mxID(_max), XS_DONT_ENUM_FLAG);
	slot = fxNextHostFunctionProperty(the, slot, mxCallback(fx_Math_min), 2, mxID(_min), XS_DONT_ENUM_FLAG);
	slot = fxNextHostFunctionProperty(the, slot, mxCallback(fx_Math_round), 1, mxID(_round), XS_DONT_ENUM_FLAG);
	slot = fxNextHostFunctionProperty(the, slot, mxCallback(fx_Math_sign), 1, mxID(_sign), XS_DONT_ENUM_FLAG);
	slot = fxNextHostFunctionProperty(the, slot, mxCallback(fx_Math_trunc), 1, mxID(_trunc), XS_DONT_ENUM_FLAG);
	mxPull(mxMathObject);
}

/* Nothing is imported at run time; Compartment and ModuleSource go, the prototypes that a realm needs stay. */
void __wrap_fxBuildModule(txMachine *the);
void __wrap_fxBuildModule(txMachine *the)
{
	mxPush(mxObjectPrototype);
	fxNewObjectInstance(the);
	mxModulePrototype = *the->stack;
	mxPop();
	mxPush(mxObjectPrototype);
	fxNewObjectInstance(the);
	mxTransferPrototype = *the->stack;
	mxPop();
}
