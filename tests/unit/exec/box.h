#ifndef TEST_EXEC_BOX_H
#define TEST_EXEC_BOX_H

/* What the tests of the local sandbox share. */
#include <stdbool.h>

#include "exec/sandbox.h"
#include "util/buf.h"

extern char box_base[64];         /* SANDBOX_DIR of the test that runs */
extern const char *box_isolation; /* "bwrap" or "none" */
extern long box_room;             /* processes without isolation; 0: plenty */
extern const struct sandbox_cmd box_plain;

int box_setup(void **state);
int box_teardown(void **state);

struct sandbox_spec box_spec(const char *dir);
struct sandbox *box_open(void);

/* Runs a script; what it printed is in out. */
struct sandbox_end box_run(struct sandbox *sb, struct sandbox_cmd cmd,
    const char *script, struct buf *out);

/* Not every machine has user namespaces: says so, if this one has none. */
bool box_have_bwrap(void);

#define BOX_TEST(t) cmocka_unit_test_setup_teardown(t, box_setup, box_teardown)

#endif
