/*
 * One XS machine in one block of memory, its natives, and its event loop. The rest of a board sees XS only through
 * this header, so that it compiles without any of XS's own.
 */
#ifndef SUNDIAL_MACHINE
#define SUNDIAL_MACHINE

#include "crypto.h"

struct sxMachine;

/* Sizes of a machine. Nothing in it grows past `arena`: exhaustion is a fault, never a slow death. */
struct machine_limits {
	uint8_t *arena;      /* chunks grow up from its start, slots grow down from its end */
	size_t arena_size;   /* bytes */
	char *c_stack_limit; /* lowest address that C may reach before XS reports a stack overflow */
	bool slots_below;    /* `first_slots` and no more, below the chunks: what the chunks leave is then behind them */
	int stack_slots;     /* noble needs about 620 to sign, a bundle's top level about 1280 */
	int keys;            /* property names, without those of `root` */
	int first_chunks;    /* bytes of chunks committed at start; too few make the collector run all the time */
	int first_slots;
};

/* What a board must supply. */
_Noreturn void fault(const char *name);          /* ends this run under a name of the glossary of faults */
void board_print(const char *text);              /* the console */
uint32_t board_milliseconds(void);               /* since power-up, wrapping */
bool board_entropy_certified(void);
bool board_random(struct bytes out);             /* false: there is no entropy */
/* Sleeps until an interrupt, or for at most `ms`; returns false when nothing can happen any more. */
bool board_wait(bool alarm, uint32_t ms);

/* A native function of a board: its name in JavaScript and its number of arguments. */
struct native {
	const char *name;
	void (*function)(struct sxMachine *);
	int arguments;
};

/*
 * A frozen machine in flash, which the running one starts from and copies what it changes: see prelink.c. The build makes
 * it once, by running the image without it, which can do nothing else.
 * `exchange`: what it may take, and then what it took and the machine itself. `run`: with what the program's modules
 * define, not only the built-ins; not for noble, whose BigInts don't survive it.
 */
typedef void prelink_function(uint8_t *at, uint8_t *exchange, const uint8_t *archive, bool run);
/* The machine at `at`, or NULL when the image has none. */
struct sxMachine *prelinked_root(const uint8_t *at);
/* Where malloc takes its memory from now on; returns where it took it from so far. A board supplies it. */
char *heap_continue_at(char *at);

/* In this order: create or clone, archive_names where an archive runs, install, run the program, start, loop. */
struct sxMachine *machine_create(const struct machine_limits *limits);
struct sxMachine *machine_clone(const struct machine_limits *limits, struct sxMachine *root);
void machine_install(struct sxMachine *the); /* the global object `natives`: what every board has, and the board's */
void machine_start(struct sxMachine *the); /* calls the global function `start` */
void machine_loop(struct sxMachine *the);

/* Byte code that a Linux host compiled, run in place from flash: see archive.c. What it throws ends in a fault. */
enum { ARCHIVE_MAGIC = 0x31414453 }; /* "SDA1" */
void script_run(struct sxMachine *the, const uint8_t *code, size_t size);
void archive_names(struct sxMachine *the, const uint8_t *archive);
void archive_run(struct sxMachine *the, const uint8_t *archive);

/* Arguments of natives. They throw a TypeError into JavaScript when the caller got it wrong. */
struct bytes argument_bytes(struct sxMachine *the, int index);
uint8_t *argument_bytes_of(struct sxMachine *the, int index, size_t size);
uint32_t argument_unsigned(struct sxMachine *the, int index);
const char *argument_string(struct sxMachine *the, int index);

/* Values wherever they lie. False when they are something else. */
struct sxSlot;
bool slot_bytes(struct sxSlot *slot, struct bytes *found); /* of a Uint8Array, until the next allocation */
bool instance_bytes(struct sxSlot *instance, struct bytes *found);
bool slot_uint53(struct sxSlot *slot, uint64_t *value);    /* a safe integer, not negative */
uint8_t *push_bytes(struct sxMachine *the, size_t size);   /* a new, zeroed Uint8Array on the engine's stack: quick.c */

void return_boolean(struct sxMachine *the, bool value);
void return_number(struct sxMachine *the, double value);

/* Ends with one without a name. */
extern const struct native crypto_natives[], struct_natives[], nor_natives[], board_natives[];

#endif
