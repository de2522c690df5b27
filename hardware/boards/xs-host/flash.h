#ifndef SUNDIAL_HOST_FLASH
#define SUNDIAL_HOST_FLASH

#include <stdbool.h>
#include <stddef.h>

struct native;

bool flash_open(const char *path); /* false: there is no such file, or it is too small */
extern const struct native flash_natives[];
extern const size_t flash_natives_count;

#endif
