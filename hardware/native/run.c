/*
 * XS's interpreter, xsRun.c with the few lines changed that interpreter.mjs lists, with shorter ways to what it does most:
 * finding a property, adding one to a new object, clearing the variables of a call. Each knows the common case and leaves
 * every other to the engine's own.
 */
#include "xsAll.h"
#include "machine.h"

/* What is found but lies in no slot of its own: read before anything else runs. */
static txSlot computed;

static txSlot *computed_integer(txIndex value)
{
	computed.kind = XS_INTEGER_KIND;
	computed.value.integer = (txInteger)value;
	return &computed;
}

/* The length of arrays and byte arrays, and the bytes; NULL for anything else. */
static txSlot *find_exotic(txMachine *the, txSlot *instance, txID id, txIndex index)
{
	txSlot *slot = instance->next;
	if (!(instance->flag & XS_EXOTIC_FLAG) || (id && id != mxID(_length))) return NULL;
	if (slot->ID == XS_ARRAY_BEHAVIOR)
		return id && (txInteger)slot->value.array.length >= 0 ? computed_integer(slot->value.array.length) : NULL;
	/* A subclass may have a length of its own. */
	txSlot *prototype = instance->value.instance.prototype;
	struct bytes bytes;
	if (!instance_bytes(instance, &bytes) || !prototype) return NULL;
	if (prototype->value.instance.prototype != mxTypedArrayPrototype.value.reference) return NULL;
	if (id) return computed_integer((txIndex)bytes.size);
	return index < bytes.size ? computed_integer(bytes.at[index]) : NULL;
}

/* The instance that holds the properties: a copy when one in flash was changed. */
static inline txSlot *current(txMachine *the, txSlot *instance)
{
	txSlot *alias = instance->ID ? the->aliasArray[instance->ID] : NULL;
	return alias ? alias : instance;
}

/* The place of an own property by name, or where it would be appended. */
static inline txSlot **own_property(txSlot *instance, txID id)
{
	txSlot **at = &instance->next;
	while (*at && (*at)->flag & XS_INTERNAL_FLAG) at = &(*at)->next;
	while (*at && (*at)->ID != id) at = &(*at)->next;
	return at;
}

/*
 * The same for an object that others inherit from. One in flash never changes, unless it was copied, so where a name was
 * found in it, or that it was not, is remembered: prototypes have up to forty properties, one behind the other.
 */
static txSlot *inherited_property(txMachine *the, txSlot *instance, txID id)
{
	static struct {
		txSlot *instance, *property;
		txID id;
	} known[256];
	txSlot *holder = current(the, instance);
	if (!instance->ID || holder != instance) return *own_property(holder, id);
	size_t at = (((size_t)instance >> 4) + (size_t)id) % (sizeof(known) / sizeof(known[0]));
	if (known[at].instance != instance || known[at].id != id) {
		known[at].instance = instance;
		known[at].id = id;
		known[at].property = *own_property(instance, id);
	}
	return known[at].property;
}

/* Arrays and byte arrays keep what has a name as every object does. */
static bool is_named_as_usual(txSlot *instance, txID id)
{
	if (!id) return false;
	if (!(instance->flag & XS_EXOTIC_FLAG)) return true;
	txID behavior = instance->next->ID;
	return behavior == XS_TYPED_ARRAY_BEHAVIOR || (behavior == XS_ARRAY_BEHAVIOR && id != mxID(_length));
}

static txSlot *find_on(txMachine *the, txSlot *instance, txID id, txIndex index, txFlag any)
{
	txSlot *start = instance, *found = find_exotic(the, instance, id, index);
	for (; !found && instance; instance = any ? instance->value.instance.prototype : NULL) {
		if (!is_named_as_usual(instance, id)) return (*mxBehavior(instance)->getProperty)(the, instance, id, index, any);
		found = inherited_property(the, instance, id);
	}
	/* Names that read as a number mean an element of a byte array. */
	if (!found && start->flag & XS_EXOTIC_FLAG) return (*mxBehavior(start)->getProperty)(the, start, id, index, any);
	return found;
}

/* Most of what is read lies in an object that was made at run time. */
static inline txSlot *find(txMachine *the, txSlot *instance, txID id, txIndex index, txFlag any)
{
	if (!id || instance->ID || instance->flag & XS_EXOTIC_FLAG) return find_on(the, instance, id, index, any);
	txSlot *own = *own_property(instance, id);
	if (own || !any || !instance->value.instance.prototype) return own;
	return find_on(the, instance->value.instance.prototype, id, index, any);
}

static txSlot *append(txMachine *the, txSlot **at, txID id)
{
	txSlot *added = fxNewSlot(the); /* may collect, but moves no slots */
	added->ID = id;
	return *at = added;
}

/* A property of an object that was made at run time: one that is there, or a new one that no prototype forbids. */
static txSlot *find_to_set(txMachine *the, txSlot *instance, txID id, txIndex index, txFlag any)
{
	if (id && !instance->ID && !(instance->flag & (XS_EXOTIC_FLAG | XS_DONT_PATCH_FLAG))) {
		txSlot **at = own_property(instance, id);
		if (*at) return *at;
		txSlot *prototype = instance->value.instance.prototype;
		txSlot *other = any && prototype ? find_on(the, prototype, id, 0, XS_ANY) : NULL;
		if (!other) return append(the, at, id);
	}
	return (*mxBehavior(instance)->setProperty)(the, instance, id, index, any);
}

/* A plain value under a name, in an object that was made at run time. False for anything else: then nothing was done. */
static bool define(txMachine *the, txSlot *instance, txID id, txSlot *slot, txFlag flags)
{
	if (!id || flags || instance->ID || instance->flag & (XS_EXOTIC_FLAG | XS_DONT_PATCH_FLAG)) return false;
	if (slot->kind == XS_UNINITIALIZED_KIND) return false;
	txSlot **at = own_property(instance, id), *own = *at ? *at : append(the, at, id);
	if (own->flag != XS_NO_FLAG || own->kind == XS_ACCESSOR_KIND) return false;
	own->kind = slot->kind;
	own->value = slot->value;
	return true;
}

/* Variables start as undefined; what their value holds then does not matter. */
static inline void clear(txSlot *slot, txIndex count)
{
	for (txSlot *end = slot + count; slot < end; slot++) {
		slot->next = NULL;
		mxInitSlotKind(slot, XS_UNDEFINED_KIND);
	}
}

#undef mxBehaviorGetProperty
#define mxBehaviorGetProperty find
#undef mxBehaviorSetProperty
#define mxBehaviorSetProperty find_to_set
#ifdef __arm__
/* See start.c of the board. */
int catch_point(jmp_buf buffer);
#undef c_setjmp
#define c_setjmp catch_point
#endif
#include "interpreter.c"
