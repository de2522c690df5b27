/*
 * Structs of plain items, read and written at once: what protocol/wire/schema.ts does field by field. Whatever is not
 * right is left to it: then nothing was read or written, and its error is the one that everybody knows.
 */
#include "xsAll.h"
#include "machine.h"

/* A layout has two bytes a field, as struct.ts writes them: the kind, with OPTIONAL, and bits or bytes. */
enum { UINT = 0, BYTES = 1, FLAG = 2, KIND = 3, OPTIONAL = 4 };
enum { MAJOR_UINT = 0 << 5, MAJOR_BYTES = 2 << 5, MAJOR_ARRAY = 4 << 5, NOTHING = 0xf6 };

/* Where a Reader or a Writer stands. */
struct cursor {
	struct bytes bytes;
	size_t at;
};

/* An object's own property; no getter runs and nothing is allocated. */
static txSlot *own(txMachine *the, txSlot *object, txID id)
{
	if (object->kind != XS_REFERENCE_KIND) return NULL;
	txSlot *slot = object->value.reference;
	if (slot->ID && the->aliasArray[slot->ID]) slot = the->aliasArray[slot->ID];
	for (slot = slot->next; slot && slot->ID != id;) slot = slot->next;
	return slot;
}

/* The first field of a struct's table of codecs; the names of the fields follow in its order. */
static txSlot *first_field(txMachine *the, int index)
{
	if (mxArgc <= index || mxArgv(index)->kind != XS_REFERENCE_KIND) mxTypeError("argument %d is no object", index);
	return mxArgv(index)->value.reference->next;
}

static bool write_head(struct cursor *to, uint8_t major, uint64_t value)
{
	size_t size = value < 24 ? 0 : value < 0x100 ? 1 : value < 0x10000 ? 2 : value >> 32 == 0 ? 4 : 8;
	if (to->bytes.size - to->at < 1 + size) return false;
	to->bytes.at[to->at++] = major | (uint8_t)(size == 0 ? value : size == 1 ? 24 : size == 2 ? 25 : size == 4 ? 26 : 27);
	for (size_t i = size; i > 0; i--) to->bytes.at[to->at++] = (uint8_t)(value >> (8 * (i - 1)));
	return true;
}

static bool write_item(struct cursor *to, txSlot *slot, uint8_t kind, uint8_t length)
{
	uint64_t value;
	struct bytes bytes;
	if (!slot || slot->kind == XS_UNDEFINED_KIND) return kind & OPTIONAL && write_head(to, NOTHING, 0);
	switch (kind & KIND) {
	case UINT: return slot_uint53(slot, &value) && value >> length == 0 && write_head(to, MAJOR_UINT, value);
	case FLAG: return slot->kind == XS_BOOLEAN_KIND && write_head(to, MAJOR_UINT, slot->value.boolean ? 1 : 0);
	default:
		if (!slot_bytes(slot, &bytes) || bytes.size != length || !write_head(to, MAJOR_BYTES, length)) return false;
		if (to->bytes.size - to->at < length) return false;
		memcpy(to->bytes.at + to->at, bytes.at, length);
		to->at += length;
		return true;
	}
}

/* The fields that the arguments name: layout, codecs, values. */
static bool write_fields(txMachine *the, struct cursor *to)
{
	struct bytes layout = argument_bytes(the, 1);
	txSlot *field = first_field(the, 2);
	bool done = mxArgc > 3 && write_head(to, MAJOR_ARRAY, layout.size / 2);
	for (size_t i = 0; done && field && i < layout.size; i += 2, field = field->next)
		done = write_item(to, own(the, mxArgv(3), field->ID), layout.at[i], layout.at[i + 1]);
	return done;
}

/* structWrite(writer, layout, codecs, values): false when it has to be done field by field. */
static void native_struct_write(txMachine *the)
{
	txSlot *buffer = own(the, mxArgv(0), mxID(_buffer)), *at = own(the, mxArgv(0), mxID(_at));
	struct cursor to;
	bool done = buffer && slot_bytes(buffer, &to.bytes) && at && at->kind == XS_INTEGER_KIND;
	to.at = done ? (size_t)at->value.integer : 0;
	done = done && to.at <= to.bytes.size && write_fields(the, &to);
	if (done) at->value.integer = (txInteger)to.at;
	return_boolean(the, done);
}

/* structEncode(start, layout, codecs, values): the bytes, or undefined when it has to be done field by field. */
static void native_struct_encode(txMachine *the)
{
	uint8_t message[256]; /* of a tap */
	struct bytes start = argument_bytes(the, 0);
	struct cursor to = { { message, sizeof(message) }, start.size };
	if (start.size > sizeof(message)) return;
	memcpy(message, start.at, start.size);
	if (!write_fields(the, &to)) return;
	memcpy(push_bytes(the, to.at), message, to.at);
	mxPullSlot(mxResult);
}

/* Takes the shortest form only. */
static bool read_head(struct cursor *from, uint8_t major, uint64_t *value)
{
	if (from->at >= from->bytes.size || (from->bytes.at[from->at] & 0xe0) != major) return false;
	uint8_t low = from->bytes.at[from->at++] & 31;
	*value = low;
	if (low < 24) return true;
	if (low > 27) return false;
	size_t size = (size_t)1 << (low - 24);
	if (from->bytes.size - from->at < size) return false;
	for (*value = 0; size > 0; size--) *value = *value << 8 | from->bytes.at[from->at++];
	return *value >> (low == 24 ? 0 : 4u << (low - 24)) >= (low == 24 ? 24u : 1u);
}

/* Appends one field to the struct that is made; NULL when it is not as the layout says. */
static txSlot *read_item(txMachine *the, struct cursor *from, txSlot *last, txID id, uint8_t kind, uint8_t length)
{
	uint64_t value;
	if (kind & OPTIONAL && from->at < from->bytes.size && from->bytes.at[from->at] == NOTHING) {
		from->at++;
		return last;
	}
	if ((kind & KIND) != BYTES) {
		if (!read_head(from, MAJOR_UINT, &value) || value >> length != 0) return NULL;
		if ((kind & KIND) == FLAG) return fxNextBooleanProperty(the, last, value != 0, id, XS_NO_FLAG);
		if (value <= 0x7fffffff) return fxNextIntegerProperty(the, last, (txInteger)value, id, XS_NO_FLAG);
		return fxNextNumberProperty(the, last, (txNumber)value, id, XS_NO_FLAG);
	}
	if (!read_head(from, MAJOR_BYTES, &value) || value != length || from->bytes.size - from->at < length) return NULL;
	uint8_t *bytes = push_bytes(the, length);
	from->bytes = argument_bytes(the, 0); /* the allocation may have moved them */
	memcpy(bytes, from->bytes.at + from->at, length);
	from->at += length;
	last = fxNextSlotProperty(the, last, the->stack, id, XS_NO_FLAG);
	mxPop();
	return last;
}

/*
 * structDecode(bytes, layout, codecs, start, type): the struct in all bytes from `start` on, behind a property `type`, or
 * undefined when it has to be done field by field.
 */
static void native_struct_decode(txMachine *the)
{
	struct cursor from = { argument_bytes(the, 0), argument_unsigned(the, 3) };
	uint64_t count;
	size_t size = argument_bytes(the, 1).size;
	txSlot *field = first_field(the, 2);
	if (mxArgc < 5 || !read_head(&from, MAJOR_ARRAY, &count) || count != size / 2) return;
	mxPush(mxObjectPrototype);
	txSlot *last = fxNewObjectInstance(the);
	last = fxNextSlotProperty(the, last, mxArgv(4), fxNewNameX(the, "type"), XS_NO_FLAG);
	for (size_t i = 0; last && field && i < size; i += 2, field = field->next) {
		const uint8_t *layout = argument_bytes(the, 1).at + i;
		from.bytes = argument_bytes(the, 0);
		last = read_item(the, &from, last, field->ID, layout[0], layout[1]);
	}
	if (last && from.at == from.bytes.size) mxPullSlot(mxResult);
}

const struct native struct_natives[] = {
	{ "structWrite", native_struct_write, 4 },
	{ "structEncode", native_struct_encode, 4 },
	{ "structDecode", native_struct_decode, 5 },
	{ NULL, NULL, 0 },
};
