/*
 * Built-ins that no bundle of a device uses, left out of an image: the linker's --wrap sends XS's builders here, and
 * what only they referred to falls away. The globals stay undefined, so a bundle that uses one fails at its start.
 * Saves about 110 KB of flash, and the slots of some 200 functions. Single functions are left out by built-ins.mjs.
 */
#include "xsAll.h"
#include "xsScript.h"
#include "machine.h"

/* Every function of built-ins.mjs. Properties that hold it are dropped before the program starts, see prelink.c. */
void unused_built_in(txMachine *the)
{
	mxTypeError("left out of this image");
}
#define ALIAS(name) void name(txMachine *the) __attribute__((alias("unused_built_in")));
UNUSED_BUILT_INS(ALIAS)

#define STRIPPED(name) \
	void __wrap_##name(txMachine *the); \
	void __wrap_##name(txMachine *the) { (void)the; }

STRIPPED(fxBuildAtomics)
STRIPPED(fxBuildDate)
STRIPPED(fxBuildProxy) /* and Reflect */
STRIPPED(fxBuildRegExp)

/* Plain functions are never constructed here, and classes make their own prototype. */
STRIPPED(fxDefaultFunctionPrototype)

#ifdef NO_BIGINT
/* Curves and hashes are in C: nothing computes with big integers. A literal would fail the build's first run. */
STRIPPED(fxBuildBigInt)
#endif

/* `**` of integers, without libm. */
double __wrap_pow(double base, double exponent);
double __wrap_pow(double base, double exponent)
{
	double result = 1;
	for (int i = 0; i < (int)exponent; i++) result *= base;
	return result;
}

/* Modules are bundled: nothing is imported, prepared or transferred at run time. */
STRIPPED(fxPrepareTransfer)
void __wrap_fxPrepareModule(txMachine *the, txFlag flag);
void __wrap_fxPrepareModule(txMachine *the, txFlag flag)
{
	(void)flag;
	mxReferenceError("modules are bundled, not loaded");
}

/*
 * XS's table of optional parts (xsDefaults.c, which an image leaves out), without: `name` and `length` of functions,
 * two slots for each of a thousand; import; behaviours of proxies and module namespaces; atomics.
 */
const txDefaults gxDefaults = {
	.newAsyncInstance = fxNewAsyncInstance,
	.runAsync = fxRunAsync,
	.newGeneratorInstance = fxNewGeneratorInstance,
	.newGeneratorFunctionInstance = fxNewGeneratorFunctionInstance,
	.newArgumentsSloppyInstance = fxNewArgumentsSloppyInstance,
	.newArgumentsStrictInstance = fxNewArgumentsStrictInstance,
	.runProgramEnvironment = fxRunProgramEnvironment,
	.definePrivateProperty = fxDefinePrivateProperty,
	.getPrivateProperty = fxGetPrivateProperty,
	.setPrivateProperty = fxSetPrivateProperty,
	.captureErrorStack = fxCaptureErrorStack,
};

const txBehavior *gxBehaviors[XS_BEHAVIOR_COUNT] = {
	&gxOrdinaryBehavior, &gxArgumentsSloppyBehavior, &gxOrdinaryBehavior, &gxArrayBehavior, &gxEnvironmentBehavior,
	&gxGlobalBehavior, &gxOrdinaryBehavior, &gxOrdinaryBehavior, &gxStringBehavior, &gxTypedArrayBehavior,
};

const txTypeDispatch gxTypeDispatches[mxTypeArrayCount] = {
#ifdef NO_BIGINT
	{ 8, 3, NULL, NULL, NULL, NULL, _getBigInt64, _setBigInt64, _BigInt64Array },
	{ 8, 3, NULL, NULL, NULL, NULL, _getBigUint64, _setBigUint64, _BigUint64Array },
#else
	{ 8, 3, fxBigInt64Getter, fxBigInt64Setter, fxBigIntCoerce, fxBigInt64Compare, _getBigInt64, _setBigInt64, _BigInt64Array },
	{ 8, 3, fxBigUint64Getter, fxBigUint64Setter, fxBigIntCoerce, fxBigUint64Compare, _getBigUint64, _setBigUint64, _BigUint64Array },
#endif
	{ 4, 2, fxFloat32Getter, fxFloat32Setter, fxNumberCoerce, fxFloat32Compare, _getFloat32, _setFloat32, _Float32Array },
	{ 8, 3, fxFloat64Getter, fxFloat64Setter, fxNumberCoerce, fxFloat64Compare, _getFloat64, _setFloat64, _Float64Array },
	{ 1, 0, fxInt8Getter, fxInt8Setter, fxIntCoerce, fxInt8Compare, _getInt8, _setInt8, _Int8Array },
	{ 2, 1, fxInt16Getter, fxInt16Setter, fxIntCoerce, fxInt16Compare, _getInt16, _setInt16, _Int16Array },
	{ 4, 2, fxInt32Getter, fxInt32Setter, fxIntCoerce, fxInt32Compare, _getInt32, _setInt32, _Int32Array },
	{ 1, 0, fxUint8Getter, fxUint8Setter, fxUintCoerce, fxUint8Compare, _getUint8, _setUint8, _Uint8Array },
	{ 2, 1, fxUint16Getter, fxUint16Setter, fxUintCoerce, fxUint16Compare, _getUint16, _setUint16, _Uint16Array },
	{ 4, 2, fxUint32Getter, fxUint32Setter, fxUintCoerce, fxUint32Compare, _getUint32, _setUint32, _Uint32Array },
	{ 1, 0, fxUint8Getter, fxUint8ClampedSetter, fxNumberCoerce, fxUint8Compare, _getUint8, _setUint8, _Uint8ClampedArray },
};

#ifdef NO_BIGINT
const txTypeBigInt gxTypeBigInt;
#else
const txTypeBigInt gxTypeBigInt = {
	fxBigIntCompare,
	fxBigIntDecode,
	fxBigintToArrayBuffer,
	fxBigIntToInstance,
	fxBigIntToNumber,
	fxBigintToString,
	fxBigInt_add,
	fxBigInt_and,
	fxBigInt_dec,
	fxBigInt_div,
	fxBigInt_exp,
	fxBigInt_inc,
	fxBigInt_lsl,
	fxBigInt_lsr,
	fxBigInt_mul,
	fxBigInt_neg,
	fxBigInt_nop,
	fxBigInt_not,
	fxBigInt_or,
	fxBigInt_rem,
	fxBigInt_sub,
	fxBigInt_xor,
};
#endif

const txTypeAtomics gxTypeAtomics[mxTypeArrayCount];

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
