/*
 * UARTs of the CMSDK. They hold one received byte, so an interrupt moves each into a ring. The emulation has no baud
 * rate, but it waits while the byte is not taken, as a line with flow control does.
 */
#include <string.h>

#include "board.h"

enum { STATE = 0x4, CONTROL_REGISTER = 0x8, INTERRUPT = 0xc, BAUD = 0x10 };
enum { TRANSMIT_FULL = 1, RECEIVE_FULL = 2 };
enum { TRANSMIT = 1, RECEIVE = 2, RECEIVE_INTERRUPT = 8 };
/* Frames of a tap are at most 260 bytes, those of the uplink some 17 KB that are read as they come. */
enum { RING = 2048 };
/* Nobody reads half a line of the console, and whoever reads it may share a busy computer with us. */
enum { CONSOLE_PATIENCE_MS = 3000 };

static const uint32_t base[PORT_COUNT] = { 0x40004000, 0x40005000, 0x40006000 };
static struct ring {
	volatile uint32_t head, tail;
	uint8_t bytes[RING];
} rings[PORT_COUNT];

static void receive(uint32_t port)
{
	struct ring *ring = &rings[port];
	REGISTER(base[port] + INTERRUPT) = 3; /* before the byte is taken: the next one raises it anew */
	while (REGISTER(base[port] + STATE) & RECEIVE_FULL) {
		/* A full ring leaves the byte where it is: the far end has to wait until uart_read makes room. */
		if (ring->head - ring->tail == RING) {
			REGISTER(base[port] + CONTROL_REGISTER) = TRANSMIT | RECEIVE;
			return;
		}
		ring->bytes[ring->head++ % RING] = (uint8_t)REGISTER(base[port]);
	}
}

/* Of all ports: theirs are the interrupts 0, 2 and 4. */
void uart_interrupt(void);
void uart_interrupt(void)
{
	uint32_t exception;
	__asm volatile("mrs %0, ipsr" : "=r"(exception));
	receive((exception - 16) / 2);
}

void uart_start(void)
{
	for (int port = 0; port < PORT_COUNT; port++) {
		REGISTER(base[port] + BAUD) = 217; /* 115,200 at 25 MHz; the emulation only wants it at least 16 */
		REGISTER(base[port] + CONTROL_REGISTER) = TRANSMIT | RECEIVE;
	}
	REGISTER(0xe000e100) = 1 << 0 | 1 << 2 | 1 << 4;
}

size_t uart_read(uint32_t port, struct bytes out)
{
	if (port >= PORT_COUNT) return 0;
	struct ring *ring = &rings[port];
	size_t count = 0;
	while (count < out.size && ring->tail != ring->head) out.at[count++] = ring->bytes[ring->tail++ % RING];
	if (!(REGISTER(base[port] + CONTROL_REGISTER) & RECEIVE_INTERRUPT)) {
		/* What waits in the UART raises no interrupt any more, so it is taken here. */
		__asm volatile("cpsid i");
		REGISTER(base[port] + CONTROL_REGISTER) = TRANSMIT | RECEIVE | RECEIVE_INTERRUPT;
		receive(port);
		__asm volatile("cpsie i");
	}
	return count;
}

bool uart_pending(void)
{
	bool pending = false;
	for (int port = 0; port < PORT_COUNT; port++) pending |= rings[port].head != rings[port].tail;
	return pending;
}

size_t uart_write(uint32_t port, struct bytes bytes, uint32_t patience_ms)
{
	if (port >= PORT_COUNT) return 0;
	for (size_t sent = 0; sent < bytes.size; sent++) {
		uint32_t start = board_milliseconds();
		while (REGISTER(base[port] + STATE) & TRANSMIT_FULL)
			if (board_milliseconds() - start > patience_ms) return sent;
		REGISTER(base[port]) = bytes.at[sent];
	}
	return bytes.size;
}

void board_print(const char *text)
{
	uart_write(PORT_CONSOLE, (struct bytes){ (uint8_t *)text, strlen(text) }, CONSOLE_PATIENCE_MS);
}
