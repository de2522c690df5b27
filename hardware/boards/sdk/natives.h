#ifndef SUNDIAL_SDK_NATIVES
#define SUNDIAL_SDK_NATIVES

struct native;

/* Adds functions to the global object `natives`; their table ends with one without a name. */
void natives_install(struct sxMachine *the, const struct native *natives);

#endif
