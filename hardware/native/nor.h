/* NOR flash in memory that outlives the process: a file that the emulator, or the XS host itself, has mapped. */
#ifndef SUNDIAL_NOR
#define SUNDIAL_NOR

#include <stdint.h>

enum { NOR_BLOCK = 4096, NOR_WORD = 4, NOR_BLOCKS = 65 }; /* the journal's 64, and one for what the factory wrote */

/* What no board has, but its emulation: tests make the part fail through it. */
struct nor_faults {
	uint32_t cut_after;  /* power fails at this word write or block erase from now on; 0: never */
	uint32_t writes;     /* words written and blocks erased since the file was made */
	uint32_t cuts;       /* power cuts injected since the file was made */
	uint32_t worn_block; /* this block, counted from 1, no longer erases */
};

/* What a board must supply. */
extern uint8_t *const nor_part;
extern volatile struct nor_faults *const nor_faults;
_Noreturn void board_restart(void); /* like the power going off and on: RAM's contents are forgotten */

#endif
