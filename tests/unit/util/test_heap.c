#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "util/heap.h"

#define CHUNKS 1000
#define BYTES 200

/* Sanitizers bring a malloc() of their own, which has no such gaps. */
#if defined(__SANITIZE_ADDRESS__)
#define OWN_MALLOC 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define OWN_MALLOC 1
#endif
#endif

static char *chunks[CHUNKS];

/* Every second chunk is free again; the highest address that was seen. */
static uintptr_t
make_gaps(void)
{
	uintptr_t highest = 0;

	for (size_t i = 0; i < CHUNKS; i++) {
		chunks[i] = malloc(BYTES);
		assert_non_null(chunks[i]);
		memset(chunks[i], 'x', BYTES);
		if ((uintptr_t)chunks[i] > highest)
			highest = (uintptr_t)chunks[i];
	}
	for (size_t i = 0; i < CHUNKS; i += 2) {
		free(chunks[i]);
		chunks[i] = NULL;
	}
	return highest;
}

static void
free_rest(void)
{
	for (size_t i = 0; i < CHUNKS; i++)
		free(chunks[i]);
}

static void
nothing_is_allocated_in_a_gap_that_was_filled(void **state)
{
	uintptr_t highest = make_gaps();

	(void)state;
	heap_fill();
#ifndef OWN_MALLOC
	for (size_t i = 0; i < CHUNKS; i += 2) {
		chunks[i] = malloc(BYTES);
		assert_non_null(chunks[i]);
		assert_true((uintptr_t)chunks[i] > highest);
	}
#endif
	free_rest();
	(void)highest;
}

static void
what_is_in_use_survives(void **state)
{
	char whole[BYTES];

	(void)state;
	memset(whole, 'x', sizeof(whole));
	(void)make_gaps();
	heap_fill();
	heap_trim();
	for (size_t i = 1; i < CHUNKS; i += 2)
		assert_memory_equal(chunks[i], whole, BYTES);
	free_rest();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_allocated_in_a_gap_that_was_filled),
		cmocka_unit_test(what_is_in_use_survives),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
