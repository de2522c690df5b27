/*
 * The platform layer of XS: memory out of one fixed arena, faults by name, promise jobs, one alarm, and the loop
 * that runs them. XS's own headers stop here.
 */
#include "xsAll.h"
#include "xsScript.h"
#include "machine.h"

enum { NAME_MODULO = 251, SYMBOL_MODULO = 31 };

static struct {
	uint8_t *base, *chunks, *slots, *top; /* base <= chunks <= slots <= top */
	size_t peak;
	bool slots_below;
	char *c_stack_limit;
	size_t stack;
	bool alarm;
	uint32_t alarm_at;
} self;

/* Memory. Chunks stay in one piece, because XS compacts them and a second block could never be given back. */

static void note_peak(void)
{
	size_t used = (size_t)(self.chunks - self.base) + (size_t)(self.top - self.slots);
	if (used > self.peak) self.peak = used;
}

void *fxAllocateChunks(txMachine *the, txSize size)
{
	uint8_t *result = self.chunks;
	(void)the;
	size = (size + 15) & ~15;
	if ((size_t)(self.slots - self.chunks) < (size_t)size) return NULL;
	self.chunks += size;
	note_peak();
	return result;
}

txSlot *fxAllocateSlots(txMachine *the, txSize count)
{
	size_t size = (size_t)count * sizeof(txSlot);
	/* The engine asks for its stack first, which always lies at the top. */
	if (self.slots_below && the->stackBottom) return the->firstHeap ? NULL : (txSlot *)self.base;
	if ((size_t)(self.slots - self.chunks) < size) return NULL;
	self.slots -= size;
	note_peak();
	return (txSlot *)self.slots;
}

/* A machine lives as long as its board. */
void fxFreeSlots(txMachine *the, void *slots)
{
	(void)the;
	(void)slots;
}
void fxFreeChunks(txMachine *the, void *chunks) __attribute__((alias("fxFreeSlots")));

char *fxCStackLimit(void)
{
	return self.c_stack_limit;
}

/* Faults. */

static void print_exception(txMachine *the)
{
	/* Printing allocates, so it can fail in its turn: then the name of the fault has to do. */
	mxTry(the) {
		txSlot exception = mxException;
		mxException = mxUndefined;
		mxPushSlot(&exception);
		fxToString(the, the->stack);
		board_print(the->stack->value.string);
		board_print("\n");
		mxPop();
	}
	mxCatch(the) {
		board_print("(the exception can't be printed)\n");
	}
}

void fxAbort(txMachine *the, int status)
{
	static bool again;
	if (!again && (status == XS_UNHANDLED_EXCEPTION_EXIT || status == XS_UNHANDLED_REJECTION_EXIT)) {
		again = true;
		print_exception(the);
	}
	switch (status) {
	case XS_STACK_OVERFLOW_EXIT: fault("stack_overflow");
	case XS_NOT_ENOUGH_MEMORY_EXIT: fault("memory_full");
	case XS_NO_MORE_KEYS_EXIT: fault("keys_full");
	case XS_UNHANDLED_EXCEPTION_EXIT: fault("unhandled_exception");
	case XS_UNHANDLED_REJECTION_EXIT: fault("unhandled_rejection");
	default: fault("engine_abort");
	}
}

void fxQueuePromiseJobs(txMachine *the)
{
	the->promiseJobs = 1;
}

uint32_t modMilliseconds(void)
{
	return board_milliseconds();
}

/* Arguments of natives. */

/* False for whatever is no plain Uint8Array of a buffer that keeps its size. */
bool instance_bytes(txSlot *instance, struct bytes *found)
{
	txSlot *dispatch = instance->next;
	if (!dispatch || dispatch->kind != XS_TYPED_ARRAY_KIND) return false;
	if (dispatch->value.typedArray.dispatch->constructorID != _Uint8Array) return false;
	txSlot *view = dispatch->next, *buffer = view->next;
	if (buffer->kind != XS_REFERENCE_KIND || buffer->next) return false;
	txSlot *data = buffer->value.reference->next;
	if (data->kind != XS_ARRAY_BUFFER_KIND || !data->value.arrayBuffer.address) return false;
	if (data->next->value.bufferInfo.maxLength >= 0 || view->value.dataView.size < 0) return false;
	found->at = (uint8_t *)data->value.arrayBuffer.address + view->value.dataView.offset;
	found->size = (size_t)view->value.dataView.size;
	return true;
}

bool slot_bytes(txSlot *slot, struct bytes *found)
{
	return slot->kind == XS_REFERENCE_KIND && instance_bytes(slot->value.reference, found);
}

bool slot_uint53(txSlot *slot, uint64_t *value)
{
	if (slot->kind == XS_INTEGER_KIND && slot->value.integer >= 0) {
		*value = (uint64_t)slot->value.integer;
		return true;
	}
	if (slot->kind != XS_NUMBER_KIND || !(slot->value.number >= 0 && slot->value.number < 9007199254740992.0)) return false;
	*value = (uint64_t)slot->value.number;
	return (double)*value == slot->value.number;
}

struct bytes argument_bytes(txMachine *the, int index)
{
	struct bytes bytes = { NULL, 0 };
	if (index >= mxArgc || !slot_bytes(mxArgv(index), &bytes)) mxTypeError("argument %d is no Uint8Array", index);
	return bytes;
}

uint8_t *argument_bytes_of(txMachine *the, int index, size_t size)
{
	struct bytes bytes = argument_bytes(the, index);
	if (bytes.size != size) mxTypeError("argument %d has %d bytes, not %d", index, (int)bytes.size, (int)size);
	return bytes.at;
}

uint32_t argument_unsigned(txMachine *the, int index)
{
	if (index >= mxArgc) mxTypeError("argument %d is missing", index);
	return fxToUnsigned(the, mxArgv(index));
}

const char *argument_string(txMachine *the, int index)
{
	if (index >= mxArgc) mxTypeError("argument %d is missing", index);
	return fxToString(the, mxArgv(index));
}

void return_boolean(txMachine *the, bool value)
{
	mxResult->value.boolean = value;
	mxResult->kind = XS_BOOLEAN_KIND;
}

void return_number(txMachine *the, double value)
{
	mxResult->value.number = value;
	mxResult->kind = XS_NUMBER_KIND;
	/* Small counts stay integers: XS adds those without floating point. */
	if (value >= -0x40000000 && value <= 0x3fffffff && value == (double)(txInteger)value) {
		mxResult->value.integer = (txInteger)value;
		mxResult->kind = XS_INTEGER_KIND;
	}
}

/* The natives that every board has. */

static void native_print(txMachine *the)
{
	board_print(argument_string(the, 0));
}

static void native_milliseconds(txMachine *the)
{
	return_number(the, board_milliseconds());
}

/* One alarm is enough: the timers of the prelude are a list in JavaScript. */
static void native_alarm(txMachine *the)
{
	self.alarm = true;
	self.alarm_at = board_milliseconds() + argument_unsigned(the, 0);
}

static void native_random(txMachine *the)
{
	return_boolean(the, board_random(argument_bytes(the, 0)));
}

static void native_certified(txMachine *the)
{
	return_boolean(the, board_entropy_certified());
}

/*
 * Collects garbage while nobody waits, once a third of the slots is used up: a payment takes about that many, and
 * should not have to stop for a collection of its own.
 */
static void native_idle(txMachine *the)
{
	if ((the->maximumHeapCount - the->currentHeapCount) * 3 < the->maximumHeapCount * 2) fxCollectGarbage(the);
}

/* Bytes of the arena by use, as natives.ts lists them. */
static void native_memory(txMachine *the)
{
	size_t slot = sizeof(txSlot), bytes[] = {
		self.peak, (size_t)the->peakChunksSize, (size_t)the->peakHeapCount * slot, self.stack,
		(size_t)the->currentChunksSize, (size_t)the->currentHeapCount * slot,
	};
	uint32_t use = argument_unsigned(the, 0);
	return_number(the, use < sizeof(bytes) / sizeof(bytes[0]) ? (double)bytes[use] : 0);
}

static const struct native own_natives[] = {
	{ "print", native_print, 1 },
	{ "milliseconds", native_milliseconds, 0 },
	{ "alarm", native_alarm, 1 },
	{ "random", native_random, 1 },
	{ "entropyCertified", native_certified, 0 },
	{ "idle", native_idle, 0 },
	{ "memory", native_memory, 1 },
	{ NULL, NULL, 0 },
};

void machine_install(txMachine *the)
{
	const struct native *tables[] = { own_natives, crypto_natives, struct_natives, nor_natives, board_natives };
	fxBeginHost(the);
	mxPush(mxObjectPrototype);
	txSlot *last = fxNewObjectInstance(the);
	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
		for (const struct native *native = tables[i]; native->name; native++)
			last = fxNextHostFunctionProperty(the, last, native->function, native->arguments,
				fxNewNameX(the, (txString)native->name), XS_NO_FLAG);
	mxPush(mxGlobal);
	mxSetID(fxNewNameX(the, "natives"));
	mxPop();
	fxEndHost(the);
}

static txCreation prepare(const struct machine_limits *limits)
{
	self.base = self.chunks = limits->arena;
	self.slots = self.top = limits->arena + (limits->arena_size & ~(size_t)15);
	self.slots_below = limits->slots_below;
	if (limits->slots_below) self.chunks += (size_t)limits->first_slots * sizeof(txSlot);
	self.c_stack_limit = limits->c_stack_limit;
	self.stack = (size_t)limits->stack_slots * sizeof(txSlot);
	return (txCreation){
		.initialChunkSize = limits->first_chunks,
		.incrementalChunkSize = 2048,
		.initialHeapCount = limits->first_slots,
		/* A heap that can't grow is not to give up before it is full. */
		.incrementalHeapCount = limits->slots_below ? 1 : 128,
		.stackCount = limits->stack_slots,
		.initialKeyCount = limits->keys,
		.incrementalKeyCount = 0,
		.nameModulo = NAME_MODULO, /* the same in a machine and the one it starts from */
		.symbolModulo = SYMBOL_MODULO,
		.parserBufferSize = 256 * 1024, /* only the Linux host parses: vectors are long literals */
		.parserTableModulo = 1993,
	};
}

/* On a chip only the build does: see board.ld. It ends in fxAbort when there is too little memory. */
txMachine *machine_create(const struct machine_limits *limits)
{
	txCreation creation = prepare(limits);
	return fxCreateMachine(&creation, "sundial", NULL, XS_NO_ID);
}

txMachine *machine_clone(const struct machine_limits *limits, txMachine *root)
{
	txCreation creation = prepare(limits);
	txMachine *the = fxCloneMachine(&creation, root, "sundial", NULL);
	if (!the) fault("memory_full");
	return the;
}

static void run_jobs(txMachine *the)
{
	while (the->promiseJobs) {
		the->promiseJobs = 0;
		fxRunPromiseJobs(the);
	}
	fxEndJob(the);
	/* As on Node: what nobody catches by the end of the jobs is a fault, not something to collect silently. */
	fxCheckUnhandledRejections(the, 1);
}

/* Calls the global function that the prelude leaves for the loop. */
static void call_global(txMachine *the, const char *name)
{
	fxBeginHost(the);
	mxTry(the) {
		mxPush(mxGlobal);
		mxDub();
		mxGetID(fxNewNameX(the, (txString)name));
		mxCall();
		mxRunCount(0);
		mxPop();
	}
	mxCatch(the) {
		fxAbort(the, XS_UNHANDLED_EXCEPTION_EXIT);
	}
	fxEndHost(the);
}

void machine_start(txMachine *the)
{
	call_global(the, "start");
}

void machine_loop(txMachine *the)
{
	run_jobs(the);
	for (;;) {
		uint32_t left = self.alarm_at - board_milliseconds();
		bool due = self.alarm && (int32_t)left <= 0;
		if (!due) native_idle(the);
		if (!due && !board_wait(self.alarm, left)) break;
		due = self.alarm && (int32_t)(self.alarm_at - board_milliseconds()) <= 0;
		if (due) {
			self.alarm = false;
			call_global(the, "onAlarm");
		}
		else
			call_global(the, "onInterrupt");
		run_jobs(the);
	}
}
