// Cases for what the port does with the console's input, and for the retained memory, one a run: `input_cases NAME`.
#include "cases.h"
#include "maw.h"

#define NOTHING (-1)

extern const mp_obj_module_t maw_module_improvserial, maw_module_retained;

static const fake_function_t *function(const mp_obj_module_t *module, const char *name) {
    const mp_obj_dict_t *globals = module->globals;
    for (size_t i = 0; i < globals->used; i++) {
        if (strcmp(globals->table[i].key, name) == 0) {
            return globals->table[i].value;
        }
    }
    return NULL;
}

// --- improvserial.c

static uint8_t buffer[256];

// improvserial.take(): the length of what is in `buffer` then.
static int take(void) {
    mp_buffer_info_t object = { buffer, sizeof(buffer) };
    return (intptr_t)function(&maw_module_improvserial, "take")->one(&object);
}

// What the console's reader gets within `ms`, NOTHING if it is kept waiting.
static int reads(uint32_t ms) {
    jmp_buf nlr;
    MP_STATE_THREAD(nlr) = &nlr;
    fake_until = fake_ticks + ms + 1;
    if (setjmp(nlr) != 0) {
        return NOTHING;
    }
    return mp_hal_stdin_rx_chr();
}

// The reader gets these bytes without having to wait.
static bool reads_at_once(const void *data, size_t length) {
    for (size_t i = 0; i < length; i++) {
        uint32_t before = fake_ticks;
        if (reads(0) != ((const uint8_t *)data)[i] || fake_ticks != before) {
            return false;
        }
    }
    return true;
}

static bool readable(void) {
    return mp_hal_stdio_poll(MP_STREAM_POLL_RD) & MP_STREAM_POLL_RD;
}

// A packet with `length` bytes of data, and a newline behind it; returns its size without that.
static size_t make(uint8_t *packet, uint8_t length) {
    memcpy(packet, "IMPROV\x01\x03", 8);
    packet[8] = length;
    size_t size = 9;
    for (; size < 9u + length; size++) {
        packet[size] = size * 37 + length;
    }
    packet[size] = 0;
    for (size_t i = 0; i < size; i++) {
        packet[size] += packet[i];
    }
    packet[size + 1] = '\n';
    return size + 1;
}

// A request for the current state, as clients send it.
static const uint8_t request[] = { 'I', 'M', 'P', 'R', 'O', 'V', 1, 3, 2, 2, 0, 0xE5, '\n' };
#define REQUEST (sizeof(request) - 1)

static void case_packet_is_taken(void) {
    uint8_t packet[300];
    CHECK(make(packet, 2) == REQUEST);
    packet[9] = 2;
    packet[10] = 0;
    packet[11] = 0xE5;
    CHECK(memcmp(packet, request, sizeof(request)) == 0);
    CHECK(take() == 0);
    fake_type(request, sizeof(request));
    CHECK(take() == REQUEST && memcmp(buffer, request, REQUEST) == 0);
    CHECK(take() == 0);
    fake_type("\r", 1);
    CHECK(reads_at_once("\r", 1)); // the packet's newline is gone
}

static void case_packets_of_every_length(void) {
    uint8_t packet[300];
    for (int length = 0; length < 256; length++) {
        size_t size = make(packet, length);
        CHECK(take() == 0);
        fake_type(packet, size + 1);
        if (size <= sizeof(buffer)) {
            CHECK(!readable());
            CHECK((size_t)take() == size && memcmp(buffer, packet, size) == 0);
        } else {
            CHECK(take() == 0);
            CHECK(reads_at_once(packet, size + 1)); // the ring would not hold it
        }
        CHECK(reads(0) == NOTHING);
    }
}

static void case_packets_that_came_before_anybody_took_one(void) {
    for (int i = 0; i < 5; i++) {
        fake_type(request, sizeof(request));
    }
    for (int i = 0; i < 5; i++) {
        fake_ticks += 1000;
        CHECK(take() == REQUEST);
    }
    CHECK(take() == 0);
}

static void case_reader_waits_for_a_packet_that_comes_byte_by_byte(void) {
    for (size_t i = 0; i < REQUEST; i++) {
        CHECK(take() == 0);
        fake_type(request + i, 1);
        CHECK(reads(90) == NOTHING);
        CHECK(!readable());
    }
    CHECK(take() == REQUEST && memcmp(buffer, request, REQUEST) == 0);
    CHECK(reads(50) == NOTHING);
    fake_type("\n", 1);
    CHECK(!readable());
    fake_type("x", 1);
    CHECK(reads_at_once("x", 1));
}

static void case_unfinished_packet_passes_when_its_time_is_over(void) {
    for (size_t size = 1; size < REQUEST; size++) {
        take();
        fake_type(request, size);
        uint32_t before = fake_ticks;
        CHECK(reads(200) == 'I');
        CHECK(fake_ticks - before == 100);
        CHECK(reads_at_once(request + 1, size - 1));
    }
}

static void case_packet_that_nobody_takes_passes(void) {
    take();
    fake_type(request, sizeof(request));
    uint32_t before = fake_ticks;
    CHECK(reads(6000) == 'I');
    CHECK(fake_ticks - before == 5000);
    CHECK(reads_at_once(request + 1, REQUEST));
}

static void case_what_is_no_packet_passes_at_once(void) {
    static const char *const texts[] = {
        "import sys\r", "I ", "IM ", "IMPROVE", "IMPROV\x02", "IMPROV\x01\x01", "IMPROV\x01\x04", "\x03\x03\x02", "\xff",
        "IMPROV\x01\x03\xf7", "IMPROV\x01\x03\x02\x02\x01\xe5", "IMPROV\x01\x03\x01\x01\x01",
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        take();
        fake_type(texts[i], strlen(texts[i]));
        CHECK(take() == 0);
        CHECK(readable());
        CHECK(reads_at_once(texts[i], strlen(texts[i])));
    }
    for (int c = 0; c < 256; c++) {
        uint8_t byte = c;
        take();
        if (c != 'I') {
            fake_type(&byte, 1);
            CHECK(reads_at_once(&byte, 1));
        }
    }
}

static void case_what_stands_before_a_packet_passes_at_once(void) {
    take();
    fake_type("xI", 2);
    fake_type(request, sizeof(request));
    CHECK(take() == 0);
    CHECK(reads_at_once("xI", 2));
    CHECK(reads(100) == NOTHING);
    CHECK(take() == REQUEST);
}

static void case_newline_of_a_packet_is_dropped_only_if_it_follows(void) {
    take();
    fake_type(request, REQUEST);
    CHECK(take() == REQUEST);
    fake_type("x\n", 2);
    CHECK(reads_at_once("x\n", 2));
    fake_type(request, REQUEST);
    CHECK(take() == REQUEST);
    fake_ticks += 100;
    fake_type("\n", 1);
    CHECK(reads_at_once("\n", 1));
}

static void case_nobody_is_held_back_while_nobody_takes(void) {
    fake_type(request, sizeof(request));
    CHECK(reads_at_once(request, sizeof(request)));
    take();
    fake_ticks += 5000;
    fake_type(request, sizeof(request));
    CHECK(reads_at_once(request, sizeof(request)));
    take();
    fake_mp_init(); // a soft reset
    fake_type(request, sizeof(request));
    CHECK(reads_at_once(request, sizeof(request)));
}

static void case_program_s_input_is_left_alone(void) {
    take();
    mp_interrupt_char = 3;
    fake_type(request, sizeof(request));
    CHECK(fake_interrupts == 1);
    CHECK(take() == 0);
    CHECK(reads_at_once("IMPROV\x01\x02\x02\x00\xe5\n", 12));
    fake_type("IMP", 3);
    CHECK(readable());
    CHECK(reads_at_once("IMP", 3));
    // What was typed before the program began.
    mp_interrupt_char = -1;
    fake_type(request, sizeof(request));
    mp_interrupt_char = 3;
    CHECK(take() == 0);
    CHECK(reads_at_once(request, sizeof(request)));
}

static void case_what_poll_calls_readable_is(void) {
    take();
    fake_type("IMP", 3);
    CHECK(!readable());
    fake_ticks += 100;
    CHECK(readable());
    fake_type("R", 1); // comes between poll and read
    CHECK(reads_at_once("IMPR", 4));
    CHECK(!readable());
    fake_type(request, REQUEST);
    CHECK(!readable());
    CHECK(take() == REQUEST);
    fake_type("\n", 1);
    CHECK(!readable()); // it is dropped
    CHECK(mp_hal_stdio_poll(MP_STREAM_POLL_WR) == MP_STREAM_POLL_WR);
}

static int read_x(void) {
    fake_read = NULL;
    return 'x';
}

static void case_webrepl_goes_on_beside_a_packet(void) {
    take();
    fake_type(request, 5);
    fake_read = read_x;
    CHECK(readable());
    CHECK(reads_at_once("x", 1));
    CHECK(!readable());
}

static void case_small_buffer_is_refused(void) {
    mp_buffer_info_t object = { buffer, sizeof(buffer) - 1 };
    jmp_buf nlr;
    MP_STATE_THREAD(nlr) = &nlr;
    CHECK((intptr_t)(mp_obj_t)function(&maw_module_improvserial, "SIZE") == sizeof(buffer));
    if (setjmp(nlr) == 0) {
        function(&maw_module_improvserial, "take")->one(&object);
        CHECK(false);
    }
}

static void case_answers_go_to_every_line(void) {
    mp_buffer_info_t object = { "\nIMPROV", 7 };
    CHECK(function(&maw_module_improvserial, "write")->one(&object) == mp_const_none);
    CHECK(strcmp(fake_uart, "\nIMPROV") == 0 && strcmp(fake_usb, "\nIMPROV") == 0);
    CHECK(maw_gil_held());
}

// Pieces in any order, with pauses, beside a reader and a service: each packet is taken, and all else is read, in order.
static void case_fuzz(void) {
    static const struct {
        const char *text;
        size_t size;
        bool packet;
    } pieces[] = {
        { (const char *)request, sizeof(request), true }, { (const char *)request, REQUEST, true },
        { "I", 1, false }, { "IMPRO", 5, false }, { "IMPROV", 6, false }, { "IMPROV\x01\x03\x02\x02\x00 ", 12, false },
        { "x\r", 2, false }, { "\n", 1, false },
    };
    static uint8_t expected[20000];
    uint32_t random = 1;
    size_t expects = 0, got = 0;
    int packets = 0, taken = 0;
    for (int round = 0; round < 2000; round++) {
        random = random * 1103515245 + 12345;
        size_t which = (random >> 16) % (sizeof(pieces) / sizeof(*pieces));
        bool slowly = random >> 30 & 1;
        // What stands before a piece is complete, so that it is clear what is meant.
        fake_ticks += 100;
        for (size_t i = 0; i < pieces[which].size && !pieces[which].packet; i++) {
            expected[expects++] = pieces[which].text[i];
        }
        for (size_t i = 0; i < pieces[which].size; i++) {
            fake_type(pieces[which].text + i, 1);
            if (slowly) {
                int c = reads(10);
                CHECK(c == NOTHING || (got < expects && c == expected[got]));
                got += c != NOTHING;
            }
        }
        packets += pieces[which].packet;
        while (ringbuf_avail(&stdin_ringbuf) > 0) {
            taken += take() == REQUEST;
            int c = reads(101);
            CHECK(c == NOTHING || (got < expects && c == expected[got]));
            got += c != NOTHING;
        }
        CHECK(got == expects && taken == packets);
    }
    CHECK(taken > 200);
}

// --- retained.c

static mp_buffer_info_t read_retained(intptr_t offset, intptr_t length) {
    mp_obj_t data = function(&maw_module_retained, "read")->two(MP_OBJ_NEW_SMALL_INT(offset), MP_OBJ_NEW_SMALL_INT(length));
    return *(const mp_buffer_info_t *)data;
}

// Whether both functions refuse it.
static bool refused(intptr_t offset, intptr_t length) {
    jmp_buf nlr;
    MP_STATE_THREAD(nlr) = &nlr;
    if (setjmp(nlr) == 0) {
        read_retained(offset, length);
        return false;
    }
    mp_buffer_info_t data = { NULL, length };
    if (length >= 0 && setjmp(nlr) == 0) {
        function(&maw_module_retained, "write")->two(MP_OBJ_NEW_SMALL_INT(offset), &data);
        return false;
    }
    return true;
}

static void case_retained_memory(void) {
    mp_buffer_info_t data = { "kept", 4 };
    CHECK((intptr_t)(mp_obj_t)function(&maw_module_retained, "SIZE") == 1024);
    for (int offset = 0; offset <= 1020; offset += 340) {
        CHECK(function(&maw_module_retained, "write")->two(MP_OBJ_NEW_SMALL_INT(offset), &data) == mp_const_none);
    }
    fake_mp_init();
    for (int offset = 0; offset <= 1020; offset += 340) {
        mp_buffer_info_t kept = read_retained(offset, 4);
        CHECK(kept.len == 4 && memcmp(kept.buf, "kept", 4) == 0);
    }
    CHECK(read_retained(0, 1024).len == 1024);
    CHECK(read_retained(1024, 0).len == 0);
    CHECK(refused(-1, 1) && refused(1024, 1) && refused(1021, 4) && refused(0, 1025) && refused(2000, 0));
    CHECK(refused(4, -1) && refused(INTPTR_MAX, 4) && refused(4, INTPTR_MAX));
}

static void case_usb_is_there_while_boot_py_runs(void) {
    // Once more after a soft reset.
    for (int run = 0; run < 2; run++) {
        CHECK(fake_boot() == MICROPY_HW_ENABLE_USBDEV);
    }
}

static const case_t cases[] = {
    CASE(packet_is_taken),
    CASE(packets_of_every_length),
    CASE(packets_that_came_before_anybody_took_one),
    CASE(reader_waits_for_a_packet_that_comes_byte_by_byte),
    CASE(unfinished_packet_passes_when_its_time_is_over),
    CASE(packet_that_nobody_takes_passes),
    CASE(what_is_no_packet_passes_at_once),
    CASE(what_stands_before_a_packet_passes_at_once),
    CASE(newline_of_a_packet_is_dropped_only_if_it_follows),
    CASE(nobody_is_held_back_while_nobody_takes),
    CASE(program_s_input_is_left_alone),
    CASE(what_poll_calls_readable_is),
    CASE(webrepl_goes_on_beside_a_packet),
    CASE(small_buffer_is_refused),
    CASE(answers_go_to_every_line),
    CASE(fuzz),
    CASE(retained_memory),
    CASE(usb_is_there_while_boot_py_runs),
};

int main(int argc, char **argv) {
    return run_case(cases, sizeof(cases) / sizeof(*cases), argc, argv);
}
