#ifndef TEST_SCRATCH_H
#define TEST_SCRATCH_H

/*
 * scratch: a folder of a test's own, for setup and teardown of cmocka. *state
 * is its path. The teardown does not use what is under test.
 */
int scratch_make(void **state);
int scratch_remove(void **state);

#endif
