/*
 * The emulated board mps2-an386: a Cortex-M4 with 4 MB of code memory at 0 of which an image may fill FLASH_SIZE,
 * RAM capped by the linker script, four UARTs, timers and a watchdog of the CMSDK, and 16 MB at 0x21000000 that QEMU
 * backs with a file. The file stands for the board's NOR flash, so it outlives the process that is killed.
 */
#ifndef SUNDIAL_BOARD
#define SUNDIAL_BOARD

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* uart.c. Port 0 is the console, 1 the tap link, 2 the uplink. */
enum { PORT_CONSOLE, PORT_TAP, PORT_UPLINK, PORT_COUNT };
void uart_start(void);
size_t uart_read(int port, uint8_t *out, size_t size);
bool uart_pending(void);             /* bytes wait on any port, or a far end came or went */
uint32_t uart_peer(int port);        /* who is at the far end: changes when it restarts; 0: nobody */
void uart_beat(void);                /* to be called several times a second */
enum { BEAT_SLEEP_MS = 100 };        /* the longest sleep between two such calls */
uint32_t uart_lost(int port);        /* bytes dropped because the ring was full */
size_t uart_write(int port, const uint8_t *bytes, size_t size); /* less than size: the far end takes none */

/* timer.c */
void timer_start(void);
uint64_t timer_ticks(void);          /* of 25 MHz since power-up; 40 instructions each under -icount shift=0 */
uint32_t timer_milliseconds(void);
void timer_wake_after(uint32_t ms);  /* raises an interrupt, so that a sleeping processor wakes */
void watchdog_feed(void);

uint32_t rtc_seconds(void);          /* Unix seconds; 0: no clock ran while the power was off */
void rtc_keep(void);                 /* before a reset, which starts the timers at 0 */

/* flash.c */
enum flash_result { FLASH_OK, FLASH_RANGE, FLASH_BIT_SET, FLASH_WORN };
enum { FLASH_BLOCK = 4096, FLASH_WORD = 4, FLASH_BLOCKS = 64 };
void flash_start(void);
enum flash_result flash_read(uint32_t offset, uint8_t *out, size_t size);
bool flash_holds(uint32_t offset, const uint8_t *bytes, size_t size); /* whether these very bytes are read there */
enum flash_result flash_write(uint32_t offset, const uint8_t *bytes, size_t size);
enum flash_result flash_erase(uint32_t offset);

/* What the factory wrote for this device, behind the journal and the key. Returns its bytes, 0 when there is none. */
size_t settings_read(uint8_t *out, size_t size);

/* key.c: the device's key lives in a block of its own and never enters JavaScript. */
void key_start(bool blinded);        /* makes one at the first start; faults without entropy */
const uint8_t *key_address(void);    /* 20 bytes */
bool key_sign(const uint8_t digest[32], uint8_t signature[64]); /* faults when signing is not blinded */

/* fault.c */
void fault_start(void);
const char *fault_before(void);      /* why this start happened: a fault's name, or NULL after power-up */
void fault_steady(void);             /* the device serves: faults before this no longer count as a loop */
_Noreturn void board_restart(void);  /* like the power going off and on: RAM's contents are forgotten */

/* The page at the end of the file belongs to the emulator, not to the board: it injects what hardware does. */
struct control {
	uint32_t cut_after;      /* power fails at this word write or block erase from now on; 0: never */
	uint32_t writes;         /* words written and blocks erased since the file was made */
	uint32_t cuts;           /* power cuts injected since the file was made */
	uint32_t worn_block;     /* this block, counted from 1, no longer erases */
	uint32_t boots;
	uint32_t no_entropy;     /* 1: the source gives nothing */
	uint32_t rtc;            /* Unix seconds of the battery-backed clock when this run began; 0: it has none */
	uint32_t restart;        /* 1: the power goes off and on when the loop is next idle */
	uint8_t seed[32];        /* the launcher's random bytes: the board has no source of its own */
};
#define NV_BASE ((uint8_t *)0x21000000)
#define NV_SIZE (16u * 1024 * 1024)
#define CONTROL ((volatile struct control *)(NV_BASE + NV_SIZE - 4096))

#define REGISTER(address) (*(volatile uint32_t *)(address))

#endif
