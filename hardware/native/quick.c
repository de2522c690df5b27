/*
 * Parts of XS that a device spends much of its time in, done at once where the engine takes one step an element:
 * spreading an object, copying an array, and making, cutting and searching byte arrays. Each function knows the
 * common case and leaves every other to the engine's own, which built-ins.mjs renames.
 */
#include "xsAll.h"
#include "machine.h"

void fxIndexArray(txMachine *the, txSlot *array); /* numbers the items; no header of XS has it */
void engine_fx_Array_prototype_slice(txMachine *the);
void engine_fx_Object_copy(txMachine *the);
void engine_fx_TypedArray(txMachine *the);
void engine_fx_TypedArray_prototype_indexOf(txMachine *the);
void engine_fx_TypedArray_prototype_slice(txMachine *the);

uint8_t *push_bytes(txMachine *the, size_t size)
{
	txSlot *constructor = mxUint8ArrayConstructor.value.reference;
	mxPushSlot(mxBehaviorGetProperty(the, constructor, mxID(_prototype), 0, XS_OWN));
	txSlot *instance = fxNewObjectInstance(the);
	instance->flag |= XS_EXOTIC_FLAG;
	txSlot *own = mxFunctionInstanceHome(constructor)->next;
	txSlot *view = fxNextTypeDispatchProperty(the, instance, own->value.typedArray.dispatch,
		own->value.typedArray.atomics, XS_TYPED_ARRAY_BEHAVIOR, XS_INTERNAL_FLAG);
	view = view->next = fxNewSlot(the);
	view->flag = XS_INTERNAL_FLAG;
	view->kind = XS_DATA_VIEW_KIND;
	view->value.dataView.offset = 0;
	view->value.dataView.size = (txInteger)size;
	fxNextNullProperty(the, view, XS_NO_ID, XS_INTERNAL_FLAG);
	return fxArrayBuffer(the, view->next, NULL, (txInteger)size, -1);
}

/* An argument from 0 on; `absent` when there is none. False for anything else. */
static bool is_index(txMachine *the, int index, int absent, int *found)
{
	*found = absent;
	if (index >= mxArgc || mxArgv(index)->kind == XS_UNDEFINED_KIND) return true;
	txSlot *slot = mxArgv(index);
	/* What was divided or rounded is a double, though it is whole. */
	*found = slot->kind == XS_NUMBER_KIND ? (int)slot->value.number : slot->value.integer;
	if (slot->kind == XS_NUMBER_KIND) return (double)*found == slot->value.number && *found >= 0;
	return slot->kind == XS_INTEGER_KIND && *found >= 0;
}

/* new Uint8Array(length) */
void fx_TypedArray(txMachine *the)
{
	int size;
	txSlot *constructor = mxUint8ArrayConstructor.value.reference;
	bool common = mxArgc == 1 && mxTarget->kind == XS_REFERENCE_KIND && mxTarget->value.reference == constructor
		&& is_index(the, 0, -1, &size) && size >= 0;
	if (!common) return engine_fx_TypedArray(the);
	push_bytes(the, (size_t)size);
	mxPullSlot(mxResult);
}

void fx_TypedArray_prototype_slice(txMachine *the)
{
	struct bytes self;
	int start, end;
	bool common = slot_bytes(mxThis, &self) && is_index(the, 0, 0, &start) && is_index(the, 1, (int)self.size, &end);
	if (!common) return engine_fx_TypedArray_prototype_slice(the);
	if (end > (int)self.size) end = (int)self.size;
	if (start > end) start = end;
	uint8_t *bytes = push_bytes(the, (size_t)(end - start));
	slot_bytes(mxThis, &self); /* the allocation may have moved it */
	memcpy(bytes, self.at + start, (size_t)(end - start));
	mxPullSlot(mxResult);
}

void fx_TypedArray_prototype_indexOf(txMachine *the)
{
	struct bytes self;
	int value, start;
	bool common = mxArgc > 0 && is_index(the, 0, -1, &value) && (unsigned)value < 256
		&& is_index(the, 1, 0, &start) && slot_bytes(mxThis, &self);
	if (!common) return engine_fx_TypedArray_prototype_indexOf(the);
	uint8_t *found = start < (int)self.size ? memchr(self.at + start, value, self.size - (size_t)start) : NULL;
	return_number(the, found ? (double)(found - self.at) : -1);
}

/* The whole of an array that was made at run time and has neither holes nor properties. */
void fx_Array_prototype_slice(txMachine *the)
{
	txSlot *instance = mxThis->kind == XS_REFERENCE_KIND ? mxThis->value.reference : NULL;
	txSlot *array = instance ? instance->next : NULL;
	bool common = mxArgc == 0 && array && !instance->ID && array->kind == XS_ARRAY_KIND && !array->next
		&& instance->value.instance.prototype == mxArrayPrototype.value.reference && array->value.array.address;
	if (!common) return engine_fx_Array_prototype_slice(the);
	txIndex length = array->value.array.length;
	/* Holes are not stored: with one there are fewer items than the array is long. */
	txChunk *items = (txChunk *)((txByte *)array->value.array.address - sizeof(txChunk));
	if ((txIndex)items->size / sizeof(txSlot) != length) return engine_fx_Array_prototype_slice(the);
	mxPush(mxArrayPrototype);
	txSlot *copy = fxNewArrayInstance(the)->next;
	fxSetIndexSize(the, copy, length, XS_CHUNK);
	copy->value.array.length = length;
	memcpy(copy->value.array.address, array->value.array.address, length * sizeof(txSlot));
	fxIndexArray(the, copy);
	mxPullSlot(mxResult);
}

/* The first property by name of a plain object, or NULL with `plain` false when it is none. */
static txSlot *first_property(txMachine *the, txSlot *slot, bool *plain)
{
	*plain = false;
	if (slot->kind != XS_REFERENCE_KIND) return NULL;
	txSlot *instance = slot->value.reference;
	if (instance->ID && the->aliasArray[instance->ID]) instance = the->aliasArray[instance->ID];
	if (instance->flag & XS_EXOTIC_FLAG) return NULL;
	for (txSlot *property = instance->next; property; property = property->next) {
		if (property->flag & (XS_INTERNAL_FLAG | XS_DONT_ENUM_FLAG)) return NULL;
		if (property->kind == XS_ACCESSOR_KIND || property->kind == XS_UNINITIALIZED_KIND) return NULL;
	}
	*plain = true;
	return instance->next;
}

static bool is_excluded(txMachine *the, txID id)
{
	for (int i = 2; i < mxArgc; i++)
		if (mxArgv(i)->value.at.id == id) return true;
	return false;
}

/* { ...source } and { a, ...rest }: the arguments are target, source, and the keys to leave out. */
void fx_Object_copy(txMachine *the)
{
	bool plain = mxArgc > 1;
	txSlot *property = plain ? first_property(the, mxArgv(1), &plain) : NULL;
	txSlot *own = plain ? first_property(the, mxArgv(0), &plain) : NULL;
	if (!plain || mxArgv(0)->value.reference->ID) return engine_fx_Object_copy(the);
	txSlot *last = mxArgv(0)->value.reference, *behind;
	while (last->next) last = last->next;
	behind = last; /* properties of the source differ from one another: only those up to here can be met again */
	for (; property; property = property->next) {
		if (is_excluded(the, property->ID)) continue;
		txSlot *target = NULL;
		for (txSlot *met = own; met; met = met == behind ? NULL : met->next)
			if (met->ID == property->ID) target = met;
		if (!target) {
			target = last->next = fxNewSlot(the);
			target->ID = property->ID;
			last = target;
		}
		target->kind = property->kind;
		target->value = property->value;
	}
	*mxResult = *mxArgv(0);
}
