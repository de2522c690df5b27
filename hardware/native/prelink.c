/*
 * A machine in flash. With all built-ins and with what the program's modules define, it takes 200 KB of RAM and tens
 * of millions of instructions at each start, and is the same every time. So the build lets the image make it once, at
 * the address in flash where it will lie, shares it in XS's sense (every slot marked, so that no collector enters;
 * what changes is copied), and takes the memory as part of the image.
 */
#include "xsAll.h"
#include "machine.h"

enum { STACK = 1536, MAGIC = 0x524b4e4c };

struct header {
	uint32_t magic, reserved;
	txMachine *root;
	uint32_t also_reserved; /* what follows lies at a multiple of 16 */
};

/* As build.mjs of the board writes and reads it, before the machine. */
struct sizes {
	uint32_t tables; /* bytes of names, keys and the machine itself */
	uint32_t slots, keys;
	uint32_t total; /* bytes of it all, when it is made */
};

/* Bytes of chunks that the modules need while they run; what is not used of it in the end is not in the image. */
enum { CHUNKS = 512 * 1024 };

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

/* Moves what is used of the value stack behind the chunks, and returns its end. Only the machine itself points into it. */
static uint8_t *keep_stack(txMachine *the)
{
	uint8_t *at = (uint8_t *)(((uintptr_t)the->firstBlock->current + 15) & ~(uintptr_t)15);
	size_t size = (size_t)((uint8_t *)the->stackTop - (uint8_t *)the->stack);
	memcpy(at, the->stack, size);
	the->stackBottom = the->stack = (txSlot *)at;
	the->stackTop = the->stackPrototypes = (txSlot *)(at + size);
	return at + size;
}

/* Its place is known to main.c, so that nothing else leads to what only the build runs: see board.ld. */
prelink_function prelink __attribute__((section(".build.entry"), used));
void prelink(uint8_t *at, uint8_t *exchange, const uint8_t *archive, bool run)
{
	struct sizes room;
	memcpy(&room, exchange, sizeof(room));
	uint8_t *tables = at + sizeof(struct header);
	struct machine_limits limits = {
		.arena = tables + room.tables,
		.arena_size = CHUNKS + (room.slots + STACK) * sizeof(txSlot),
		.slots_below = true,
		.c_stack_limit = fxCStackLimit(),
		.stack_slots = STACK, /* the intrinsics, and the depth of the modules' top level */
		.keys = (int)room.keys,
		.first_chunks = CHUNKS / 2,
		.first_slots = (int)room.slots,
	};
	/* The engine takes its tables with malloc and keeps them; jump buffers, which it gives back, come later. */
	char *heap = heap_continue_at((char *)tables);
	txMachine *the = machine_create(&limits);
	archive_names(the, archive);
	struct sizes used = { .tables = (uint32_t)(heap_continue_at(heap) - (char *)tables) };
	if (used.tables > room.tables) fault("tables_full"); /* they would lie in the arena */
	if (run) {
		machine_install(the);
		archive_run(the, archive);
	}
	fxCollectGarbage(the);
	each_slot(the, freeze_function);
	used.slots = (uint32_t)the->currentHeapCount;
	used.keys = (uint32_t)the->keyIndex;
	fxShareMachine(the);
	each_slot(the, make_constant_deep);
	for (txSlot *slot = the->stack; slot < the->stackTop; slot++) make_constant(slot);
	used.total = (uint32_t)(keep_stack(the) - at);
	struct header header = { .magic = MAGIC, .root = the };
	memcpy(at, &header, sizeof(header));
	memcpy(exchange, &used, sizeof(used));
	memcpy(exchange + sizeof(used), at, used.total);
}

txMachine *prelinked_root(const uint8_t *at)
{
	struct header header;
	memcpy(&header, at, sizeof(header));
	return header.magic == MAGIC ? header.root : NULL;
}
