// The console's lines and their ring, as mphalport.c, uart.c and the two kinds of USB have them. What reads the ring is in
// other files: the linker's --wrap works between files only.
#include <string.h>

#include "fake.h"

static uint8_t ring[260];
ringbuf_t stdin_ringbuf = { ring, sizeof(ring), 0, 0 };
int mp_interrupt_char = -1;
int fake_interrupts;
char fake_uart[512], fake_usb[512];
TickType_t fake_until = UINT32_MAX;

static uint8_t line[4096]; // what has come and is not in the ring yet
static size_t line_used;

int ringbuf_get(ringbuf_t *r) {
    int c = ringbuf_peek(r);
    if (c != -1) {
        r->iget = (r->iget + 1) % r->size;
    }
    return c;
}

int ringbuf_peek(ringbuf_t *r) {
    return r->iget == r->iput ? -1 : r->buf[r->iget];
}

size_t ringbuf_avail(ringbuf_t *r) {
    return (r->size + r->iput - r->iget) % r->size;
}

static void receive(void) {
    size_t done = 0;
    for (; done < line_used && ringbuf_avail(&stdin_ringbuf) < stdin_ringbuf.size - 1u; done++) {
        if (line[done] == mp_interrupt_char) {
            fake_interrupts++;
        } else {
            ring[stdin_ringbuf.iput] = line[done];
            stdin_ringbuf.iput = (stdin_ringbuf.iput + 1) % stdin_ringbuf.size;
        }
    }
    line_used -= done;
    memmove(line, line + done, line_used);
}

void fake_type(const void *data, size_t length) {
    memcpy(line + line_used, data, length);
    line_used += length;
    receive();
}

void usb_serial_jtag_poll_rx(void) {
    receive();
}

uintptr_t mp_usbd_cdc_poll_interfaces(uintptr_t flags) {
    receive();
    return ringbuf_peek(&stdin_ringbuf) != -1 ? flags & MP_STREAM_POLL_RD : 0;
}

uintptr_t mp_hal_stdio_poll(uintptr_t flags) {
    receive();
    uintptr_t ready = (flags & MP_STREAM_POLL_WR) | mp_os_dupterm_poll(flags);
    return ringbuf_peek(&stdin_ringbuf) != -1 ? ready | (flags & MP_STREAM_POLL_RD) : ready;
}

int uart_stdout_tx_strn(const char *text, size_t length) {
    strncat(fake_uart, text, length);
    return length;
}

void usb_serial_jtag_tx_strn(const char *text, size_t length) {
    strncat(fake_usb, text, length);
}

mp_uint_t mp_usbd_cdc_tx_strn(const char *text, mp_uint_t length) {
    strncat(fake_usb, text, length);
    return length;
}

bool fake_usb_runs;

void mp_usbd_init(void) {
    fake_usb_runs = true;
}

bool fake_boot(void) {
    return pyexec_frozen_module("_boot.py", false);
}

mp_uint_t mp_hal_ticks_ms(void) {
    return fake_ticks;
}

void fake_wait(void) {
    MP_THREAD_GIL_EXIT();
    fake_ticks = fake_ticks + 1;
    MP_THREAD_GIL_ENTER();
    if (fake_ticks == fake_until) {
        fake_raise(&mp_type_ValueError);
    }
}
