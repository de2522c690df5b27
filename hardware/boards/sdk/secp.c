/* hardware/native/secp.c for the SDK, whose makefiles take no options: 64 KB of signing table, as on the other boards. */
#define ECMULT_GEN_PREC_BITS 4
#define ECMULT_WINDOW_SIZE 6
#include "../../native/secp.c"
