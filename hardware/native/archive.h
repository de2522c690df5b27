#ifndef SUNDIAL_ARCHIVE
#define SUNDIAL_ARCHIVE

#include <stddef.h>
#include <stdint.h>

struct sxMachine;

#define ARCHIVE_MAGIC 0x31414453u /* "SDA1" */

/* Runs relocated byte code in place. What it throws ends in the fault `unhandled_exception`. */
void script_run(struct sxMachine *the, const uint8_t *code, size_t size);

#endif
