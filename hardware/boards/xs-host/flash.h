#ifndef SUNDIAL_FLASH
#define SUNDIAL_FLASH

#include <stdbool.h>

/* Maps the flash of the natives; false when there is no such file or it is too short. */
bool flash_open(const char *path);

#endif
