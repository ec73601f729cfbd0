// What the programs with cases share: a check that says where it failed, and a main() that runs one case.
#ifndef CASES_H
#define CASES_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fake.h"

#define CHECK(condition) check(condition, #condition, __FILE__, __LINE__)

static inline void check(bool holds, const char *condition, const char *file, int line) {
    if (!holds) {
        fprintf(stderr, "%s:%d: not so: %s\n", file, line, condition);
        exit(1);
    }
}

typedef struct {
    const char *name;
    void (*run)(void);
} case_t;

#define CASE(name) { #name, case_##name }

// main(): `program NAME` runs that case and says ok.
static inline int run_case(const case_t *cases, size_t count, int argc, char **argv) {
    for (size_t i = 0; i < count && argc == 2; i++) {
        if (strcmp(cases[i].name, argv[1]) == 0) {
            fake_power_up();
            cases[i].run();
            puts("ok");
            return 0;
        }
    }
    fprintf(stderr, "usage: %s CASE\n", argv[0]);
    return 2;
}

#endif
