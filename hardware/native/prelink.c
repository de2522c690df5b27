/*
 * Built-ins in flash. A machine with all built-ins takes 60 KB of RAM and four million instructions at each start,
 * and is the same every time. So the build lets the image make it once, at the address in flash where it will lie,
 * shares it in XS's sense (every slot marked, so that no collector enters; changed objects are copied), and takes the
 * memory as part of the image.
 *
 * It is made twice: the first time somewhere large, to learn how much of everything it takes.
 */
#include "xsAll.h"
#include "machine.h"

enum { MAGIC = 0x524b4e4c, NAME_MODULO = 251, SYMBOL_MODULO = 31 };

struct header {
	uint32_t magic, size;
	txMachine *root;
	uint32_t reserved;
};

struct sizes {
	size_t tables; /* bytes of names, keys and the machine itself */
	size_t chunks;
	int slots, keys;
};

/* While this is set, the engine's own tables come from it instead of malloc, and stay. */
static uint8_t *bump;

void *machine_allocate(size_t count, size_t size)
{
	if (!bump) return calloc(count, size);
	void *result = bump;
	bump += (count * size + 15) & ~(size_t)15;
	memset(result, 0, count * size);
	return result;
}

void machine_free(void *memory)
{
	if (!bump) free(memory);
}

/* Values that point into chunks: as constants, no collector looks at them. */
static void make_constant(txSlot *slot)
{
	switch (slot->kind) {
	case XS_STRING_KIND: slot->kind = XS_STRING_X_KIND; break;
	case XS_KEY_KIND: slot->kind = XS_KEY_X_KIND; break;
	case XS_BIGINT_KIND: slot->kind = XS_BIGINT_X_KIND; break;
	case XS_CODE_KIND: slot->kind = XS_CODE_X_KIND; break;
	default: break;
	}
}

/* Functions are frozen: what can't change needs no place in the table of copies, and nobody changes them. */
static void freeze_function(txSlot *slot)
{
	if (slot->kind != XS_INSTANCE_KIND || !(slot->flag & XS_CAN_CALL_FLAG)) return;
	slot->flag |= XS_DONT_PATCH_FLAG;
	for (txSlot *property = slot->next; property; property = property->next)
		property->flag |= XS_DONT_DELETE_FLAG | XS_DONT_SET_FLAG;
}

static void each_slot(txMachine *the, void (*visit)(txSlot *))
{
	for (txSlot *heap = the->firstHeap; heap; heap = heap->next)
		for (txSlot *slot = heap + 1; slot < heap->value.reference; slot++) visit(slot);
}

static txMachine *make(uint8_t *at, const struct sizes *sizes, const uint8_t *archive, struct sizes *used)
{
	struct machine_limits limits = {
		.arena = at + sizes->tables,
		.c_stack_limit = fxCStackLimit(),
		.stack_slots = 256, /* the intrinsics and a little for making them */
		.keys = sizes->keys,
		.first_chunks = (int)sizes->chunks,
		.first_slots = sizes->slots,
	};
	size_t block = sizeof(txBlock) + 16;
	limits.arena_size = ((sizes->chunks + block + 15) & ~(size_t)15)
		+ (size_t)(sizes->slots + limits.stack_slots) * sizeof(txSlot) + 16;
	bump = at;
	txMachine *the = machine_create(&limits, NULL);
	archive_names(the, archive);
	each_slot(the, freeze_function);
	fxShareMachine(the);
	used->tables = (size_t)(bump - at);
	used->chunks = (size_t)the->peakChunksSize;
	used->slots = (int)the->peakHeapCount + 4;
	used->keys = the->keyIndex;
	bump = NULL;
	each_slot(the, make_constant);
	for (txSlot *slot = the->stack; slot < the->stackTop; slot++) make_constant(slot);
	return the;
}

size_t prelink(uint8_t *at, uint8_t *scratch, const uint8_t *archive)
{
	struct sizes large = { 256 * 1024, 256 * 1024, 16 * 1024, 8000 }, used, again;
	struct header header = { .magic = MAGIC };
	make(scratch, &large, archive, &used);
	/* The table of keys was made for `large`: here it is as long as the keys are many. */
	used.tables -= (size_t)(large.keys - used.keys) * sizeof(txSlot *) - 16;
	header.root = make(at + sizeof(header), &used, archive, &again);
	header.size = (uint32_t)((uint8_t *)header.root->stackTop - at);
	memcpy(at, &header, sizeof(header));
	return header.size;
}

txMachine *prelinked_root(const uint8_t *at)
{
	struct header header;
	memcpy(&header, at, sizeof(header));
	return header.magic == MAGIC ? header.root : NULL;
}
