// The Python module improvserial: packets of Improv Wi-Fi are taken out of what is typed at the console.
//
// The protocol (improv-wifi.com/serial) shares the serial line with the prompt. UART, USB-Serial-JTAG and TinyUSB all put
// what comes into stdin_ringbuf (uart.c:117, usb_serial_jtag.c:60, mp_usbd_cdc.c:85, v1.28.0), and mphalport.c:129 gives
// it to the reader. A packet that stands whole at the front is taken by take(), which the server's thread calls ten times
// a second. Until then the reader is held back, for a bounded time; while nobody calls take(), not at all. All other
// bytes pass at once and in their order.
//
// A command's packet has a byte 3 in it, its type. That is Ctrl-C while a program of the user's runs: the interrupt
// handlers compare with mp_interrupt_char and keep the byte for themselves (uart.c:113), so no packet can come whole then,
// and the reader, which is the program's, is left alone. At the prompt and while _boot.py runs Ctrl-C is off (main.c:151).
#include <string.h>

#include "maw.h"
#include "py/ringbuf.h"
#include "py/stream.h"
#include "extmod/misc.h"
#include "shared/runtime/interrupt_char.h"
#include "uart.h"
#include "usb_serial_jtag.h"
#if MICROPY_HW_USB_CDC
#include "shared/tinyusb/mp_usbd_cdc.h"
#endif

#define SIZE (256) // of the longest packet that is taken; one of 101 bytes sets the longest name and password
#define GAP_MS (100) // longest pause between two bytes of a packet
#define SERVED_MS (5000) // since take() was called: it will be called again. A scan for networks stops the loop for 2 s

// A packet: header with version 1 and type 3 (command), length of the data, data, sum of all bytes before.
static const uint8_t header[] = { 'I', 'M', 'P', 'R', 'O', 'V', 1, 3 };
#define LENGTH_AT (sizeof(header))
#define OVERHEAD (sizeof(header) + 2)

#define NOT_A_PACKET (0)
#define UNFINISHED (-1)

// All of this is touched with the GIL only; interrupts add to the end of the ring, no more.
static bool served; // take() was called, at `asked`
static uint32_t asked;
static bool newline_due; // a packet was taken, at `taken`
static uint32_t taken;
static bool watched; // the beginning of a packet was seen at the front: at `grew` it had `had` bytes, then no more came
static bool passed; // the time for the rest is over
static uint32_t grew;
static size_t had;

MAW_WRAP(mp_hal_stdin_rx_chr);
MAW_WRAP(mp_hal_stdio_poll);

void maw_improv_start(void) {
    served = newline_due = watched = false;
}

static uint8_t byte_at(size_t i) {
    size_t place = stdin_ringbuf.iget + i;
    return stdin_ringbuf.buf[place < stdin_ringbuf.size ? place : place - stdin_ringbuf.size];
}

// What the first `available` bytes are: NOT_A_PACKET, UNFINISHED, or the size of the packet that they begin with.
static int packet(size_t available) {
    uint8_t sum = 0;
    for (size_t i = 0; i < available; i++) {
        uint8_t c = byte_at(i);
        if (i < sizeof(header) ? c != header[i] : i == LENGTH_AT && OVERHEAD + c > SIZE) {
            return NOT_A_PACKET;
        }
        if (i > LENGTH_AT && i == OVERHEAD - 1 + byte_at(LENGTH_AT)) {
            return c == sum ? (int)(i + 1) : NOT_A_PACKET;
        }
        sum += c;
    }
    return UNFINISHED;
}

// Clients end a packet with a newline, which is no part of it.
static void drop_newline(uint32_t now) {
    if (newline_due && ringbuf_peek(&stdin_ringbuf) != -1) {
        newline_due = false;
        if (byte_at(0) == '\n' && now - taken < GAP_MS) {
            ringbuf_get(&stdin_ringbuf);
        }
    }
}

// Whether the reader must not have what is at the front yet.
static bool held(void) {
    uint32_t now = mp_hal_ticks_ms();
    if (mp_interrupt_char >= 0 || !served || now - asked >= SERVED_MS) {
        return false;
    }
    drop_newline(now);
    size_t available = ringbuf_avail(&stdin_ringbuf);
    int found = available > 0 ? packet(available) : NOT_A_PACKET;
    if (found == NOT_A_PACKET) {
        watched = false;
        return false;
    }
    if (!watched) {
        watched = true;
        passed = false;
        had = 0;
    }
    if (available != had) {
        had = available;
        grew = now;
    }
    // Once it is over it stays so, also if more comes: poll() may have told the reader that there is something to read.
    passed = passed || (found == UNFINISHED && now - grew >= GAP_MS);
    return !passed;
}

// In the place of mphalport.c:129, which would give away the first byte of a packet as soon as it comes.
int __wrap_mp_hal_stdin_rx_chr(void) {
    for (;;) {
        #if MICROPY_HW_ESP_USB_SERIAL_JTAG
        usb_serial_jtag_poll_rx();
        #endif
        #if MICROPY_HW_USB_CDC
        mp_usbd_cdc_poll_interfaces(0);
        #endif
        if (!held()) {
            int c = ringbuf_get(&stdin_ringbuf);
            if (c != -1) {
                watched = false;
                return c;
            }
        }
        int c = mp_os_dupterm_rx_chr();
        if (c >= 0) {
            return c;
        }
        MICROPY_EVENT_POLL_HOOK
    }
}

// What poll() calls readable has to be: a loop that reads then must not wait.
uintptr_t __wrap_mp_hal_stdio_poll(uintptr_t flags) {
    uintptr_t ready = __real_mp_hal_stdio_poll(flags);
    if ((ready & MP_STREAM_POLL_RD) && (held() || ringbuf_peek(&stdin_ringbuf) == -1)) {
        ready = (ready & ~MP_STREAM_POLL_RD) | (mp_os_dupterm_poll(flags) & MP_STREAM_POLL_RD);
    }
    return ready;
}

// take(buffer): move the packet that the console's input begins with into `buffer`, of SIZE bytes or more, and return its
// length; 0 if there is none.
static mp_obj_t improvserial_take(mp_obj_t buffer_in) {
    mp_buffer_info_t buffer;
    mp_get_buffer_raise(buffer_in, &buffer, MP_BUFFER_WRITE);
    if (buffer.len < SIZE) {
        mp_raise_ValueError(MP_ERROR_TEXT("the buffer is smaller than improvserial.SIZE"));
    }
    uint32_t now = mp_hal_ticks_ms();
    served = true;
    asked = now;
    if (mp_interrupt_char >= 0) {
        return MP_OBJ_NEW_SMALL_INT(0);
    }
    drop_newline(now);
    int size = packet(ringbuf_avail(&stdin_ringbuf));
    if (size == NOT_A_PACKET || size == UNFINISHED) {
        return MP_OBJ_NEW_SMALL_INT(0);
    }
    for (int i = 0; i < size; i++) {
        ((uint8_t *)buffer.buf)[i] = ringbuf_get(&stdin_ringbuf);
    }
    watched = false;
    newline_due = true;
    taken = now;
    drop_newline(now);
    return MP_OBJ_NEW_SMALL_INT(size);
}
static MP_DEFINE_CONST_FUN_OBJ_1(improvserial_take_obj, improvserial_take);

// write(data): bytes to the console as they are. As mphalport.c:151, but with the GIL, so that on UART nobody begins to
// print in the middle, and not to WebREPL, whose socket might make the server's thread wait. What may still get in between:
// a print of more than 20 bytes that is under way on the other core without the GIL (mphalport.c:156), and, while TinyUSB
// waits for room, anybody, as that lets go of it (mp_usbd_cdc.c:131). The packet's sum is wrong then, and clients ask again.
// A USB host that does not read holds the server up for 500 ms (mp_usbd_cdc.h:33), USB-Serial-JTAG for 200 ms at most.
static mp_obj_t improvserial_write(mp_obj_t data_in) {
    mp_buffer_info_t data;
    mp_get_buffer_raise(data_in, &data, MP_BUFFER_READ);
    #if MICROPY_HW_ESP_USB_SERIAL_JTAG
    usb_serial_jtag_tx_strn(data.buf, data.len);
    #endif
    #if MICROPY_HW_ENABLE_UART_REPL
    uart_stdout_tx_strn(data.buf, data.len);
    #endif
    #if MICROPY_HW_USB_CDC
    mp_usbd_cdc_tx_strn(data.buf, data.len);
    #endif
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(improvserial_write_obj, improvserial_write);

static const mp_rom_map_elem_t improvserial_globals_table[] = {
    { MP_ROM_QSTR(MP_QSTR___name__), MP_ROM_QSTR(MP_QSTR_improvserial) },
    { MP_ROM_QSTR(MP_QSTR_SIZE), MP_ROM_INT(SIZE) },
    { MP_ROM_QSTR(MP_QSTR_take), MP_ROM_PTR(&improvserial_take_obj) },
    { MP_ROM_QSTR(MP_QSTR_write), MP_ROM_PTR(&improvserial_write_obj) },
};
static MP_DEFINE_CONST_DICT(improvserial_globals, improvserial_globals_table);

const mp_obj_module_t maw_module_improvserial = {
    .base = { &mp_type_module },
    .globals = (mp_obj_dict_t *)&improvserial_globals,
};

MP_REGISTER_MODULE(MP_QSTR_improvserial, maw_module_improvserial);
