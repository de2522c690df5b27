/*
 * A machine in flash. With all built-ins and with what the program's modules define, it takes 200 KB of RAM and tens
 * of millions of instructions at each start, and is the same every time. So the build lets the image make it once, at
 * the address in flash where it will lie, shares it in XS's sense (every slot marked, so that no collector enters;
 * what changes is copied), and takes the memory as part of the image.
 *
 * It is made twice: the first time somewhere large, to learn how much of everything it takes.
 */
#include "xsAll.h"
#include "machine.h"

enum { STACK = 1536, MAGIC = 0x524b4e4c };

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

/* Chunks that the modules need beside what stays of them; what is not used of it is not in the image. */
enum { CHUNKS_MARGIN = 128 * 1024 };

/* While this is set, the engine's own tables come from it instead of malloc, and stay. Jump buffers come later. */
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

/* A property whose function is left out of the image goes too: it would take 80 bytes of flash. */
static void drop_unused(txSlot *slot)
{
	if (slot->kind != XS_INSTANCE_KIND) return;
	for (txSlot *before = slot; before->next;) {
		txSlot *property = before->next, *value = NULL;
		if (property->kind == XS_REFERENCE_KIND) value = property->value.reference->next;
		if (value && value->kind == XS_CALLBACK_KIND && value->value.callback.address == unused_built_in)
			before->next = property->next;
		else
			before = property;
	}
}

/* Items of arrays lie in chunks, where each_slot does not come. */
static void make_constant_deep(txSlot *slot)
{
	if (slot->kind == XS_ARRAY_KIND && slot->value.array.address) {
		txSlot *items = slot->value.array.address;
		txSize count = ((txChunk *)((txByte *)items - sizeof(txChunk)))->size / (txSize)sizeof(txSlot);
		for (txSize i = 0; i < count; i++) make_constant(items + i);
	}
	make_constant(slot);
}

/* Moves what is used of the value stack behind the chunks; only the machine itself points into it. */
static void keep_stack(txMachine *the, uint8_t *at)
{
	size_t size = (size_t)((uint8_t *)the->stackTop - (uint8_t *)the->stack);
	memcpy(at, the->stack, size);
	the->stackBottom = the->stack = (txSlot *)at;
	the->stackTop = the->stackPrototypes = (txSlot *)(at + size);
}

static txMachine *make(uint8_t *at, uint8_t *scratch, const struct sizes *sizes, const struct prelink_input *input,
	struct sizes *used)
{
	struct machine_limits limits = {
		.arena = at + sizes->tables,
		.stack_at = scratch,
		.slots_below = true,
		.c_stack_limit = fxCStackLimit(),
		.stack_slots = STACK, /* the intrinsics, and the depth of the modules' top level */
		.keys = sizes->keys,
		.first_chunks = (int)sizes->chunks,
		.first_slots = sizes->slots,
	};
	limits.arena_size = sizes->chunks + sizeof(txBlock) + 32 + (size_t)sizes->slots * sizeof(txSlot);
	bump = at;
	txMachine *the = machine_create(&limits, NULL);
	each_slot(the, drop_unused);
	archive_names(the, input->archive);
	used->tables = (size_t)(bump - at);
	bump = NULL;
	if (input->run) {
		input->install(the);
		archive_run(the, input->archive);
	}
	fxCollectGarbage(the);
	each_slot(the, freeze_function);
	used->chunks = (size_t)the->currentChunksSize + CHUNKS_MARGIN;
	used->slots = (int)the->currentHeapCount + input->slots_margin;
	used->keys = the->keyIndex;
	fxShareMachine(the);
	each_slot(the, make_constant_deep);
	for (txSlot *slot = the->stack; slot < the->stackTop; slot++) make_constant(slot);
	keep_stack(the, (uint8_t *)(((uintptr_t)machine_chunks_end() + 15) & ~(uintptr_t)15));
	return the;
}

size_t prelink(uint8_t *at, uint8_t *scratch, const struct prelink_input *input)
{
	struct sizes large = { 256 * 1024, 512 * 1024, 32 * 1024, 8000 }, used, again;
	struct header header = { .magic = MAGIC };
	uint8_t *stack = scratch;
	scratch += STACK * sizeof(txSlot);
	make(scratch, stack, &large, input, &used);
	/* The table of keys was made for `large`: here it is as long as the keys are many. */
	used.tables -= (size_t)(large.keys - used.keys) * sizeof(txSlot *) - 16;
	header.root = make(at + sizeof(header), stack, &used, input, &again);
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
