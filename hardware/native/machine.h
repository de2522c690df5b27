/*
 * One XS machine in one block of memory, its natives, and its event loop. The rest of a board sees XS only through
 * this header, so that it compiles without any of XS's own.
 */
#ifndef SUNDIAL_MACHINE
#define SUNDIAL_MACHINE

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sxMachine;

/* Sizes of a machine. Nothing in it grows past `arena`: exhaustion is a fault, never a slow death. */
struct machine_limits {
	uint8_t *arena;      /* chunks grow up from its start, slots grow down from its end */
	size_t arena_size;   /* bytes */
	char *c_stack_limit; /* lowest address that C may reach before XS reports a stack overflow */
	uint8_t *stack_at;   /* where the value stack lies; NULL: in the arena */
	bool slots_below;    /* `first_slots` and no more, below the chunks: what the chunks leave is then at the end */
	int stack_slots;     /* noble needs about 620 to sign, a bundle's top level about 1280 */
	int keys;            /* property names, without those of `root` */
	int first_chunks;    /* bytes of chunks committed at start; too few make the collector run all the time */
	int first_slots;
};

struct machine_usage {
	size_t arena;  /* bytes committed at the peak, value stack included */
	size_t chunks; /* bytes of them holding live chunks at the peak */
	size_t slots;  /* bytes of them holding live slots at the peak */
	size_t stack;  /* bytes of the value stack */
	size_t live_chunks, live_slots; /* bytes in use, garbage since the last collection included */
};

/* What a board must supply. */
_Noreturn void fault(const char *name);          /* ends this run under a name of the glossary of faults */
void board_print(const char *text, size_t size); /* the console */
uint32_t board_milliseconds(void);               /* since power-up, wrapping */
bool board_entropy_certified(void);
bool board_random(uint8_t *out, size_t size);    /* false: there is no entropy */
/* Sleeps until an interrupt, or for at most `ms`; returns false when nothing can happen any more. */
bool board_wait(bool alarm, uint32_t ms);

/* A native function of a board: its name in JavaScript and its number of arguments. */
struct native {
	const char *name;
	void (*function)(struct sxMachine *);
	int arguments;
};

/*
 * A frozen machine in flash, which the running one starts from and copies what it changes: see prelink.c. The build
 * makes it once; an image without it can do nothing else.
 */
struct prelink_input {
	const uint8_t *archive;
	void (*install)(struct sxMachine *); /* the natives */
	int slots_margin; /* slots that the modules need beside those that stay; too few end in `memory_full` */
	bool run; /* the program's modules too, not only the built-ins: not with noble, whose BigInts don't survive it */
};
/* Lays the machine out at `at`, using `scratch` to measure. Returns its bytes. */
size_t prelink(uint8_t *at, uint8_t *scratch, const struct prelink_input *input);
/* The machine at `at`, or NULL when the image has none. */
struct sxMachine *prelinked_root(const uint8_t *at);

/* In this order: create, archive_names where an archive runs, install the natives, run the program, start, loop. */
struct sxMachine *machine_create(const struct machine_limits *limits, struct sxMachine *root);
void machine_install_own(struct sxMachine *the); /* the global object `natives` with what every board has */
void machine_install(struct sxMachine *the, const struct native *natives, size_t count);
void machine_start(struct sxMachine *the); /* calls the global function `start` */
void machine_loop(struct sxMachine *the);
void machine_usage(struct machine_usage *usage);
uint8_t *machine_chunks_end(void); /* where the last chunk ends */
void machine_exit(void); /* ends machine_loop after the current event */

/* Byte code that a Linux host compiled, run in place from flash: see archive.c. */
void archive_names(struct sxMachine *the, const uint8_t *archive);
void archive_run(struct sxMachine *the, const uint8_t *archive);

void unused_built_in(struct sxMachine *the); /* stands in an image for what built-ins.mjs leaves out; throws */

/* Arguments of natives. They throw a TypeError into JavaScript when the caller got it wrong. */
uint8_t *argument_bytes(struct sxMachine *the, int index, size_t *size);
uint8_t *argument_bytes_of(struct sxMachine *the, int index, size_t size);
int argument_count(struct sxMachine *the);
uint32_t argument_unsigned(struct sxMachine *the, int index);
uint64_t argument_uint53(struct sxMachine *the, int index); /* a safe integer, not negative */
const char *argument_string(struct sxMachine *the, int index);

/* Values wherever they lie. False when they are something else. */
struct sxSlot;
bool slot_bytes(struct sxSlot *slot, uint8_t **bytes, size_t *size);
bool slot_uint53(struct sxSlot *slot, uint64_t *value);
uint8_t *push_bytes(struct sxMachine *the, size_t size); /* a new, zeroed Uint8Array on the engine's stack: quick.c */

void return_boolean(struct sxMachine *the, bool value);
void return_number(struct sxMachine *the, double value);

extern const struct native crypto_natives[];
extern const size_t crypto_natives_count;
extern const struct native struct_natives[];
extern const size_t struct_natives_count;

#endif
