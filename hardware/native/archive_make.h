#ifndef SUNDIAL_ARCHIVE_MAKE
#define SUNDIAL_ARCHIVE_MAKE

#include <stdbool.h>
#include <stdio.h>

struct sxMachine;

/* Parses and runs a script with its code outside the heap, as on a chip; false when it does not parse. */
bool run_program(struct sxMachine *the, const char *source, size_t size);
/* Writes the archive of a script; false when it does not parse or the file can't be written. */
bool archive_write(struct sxMachine *the, const char *source, size_t size, FILE *out);

#endif
