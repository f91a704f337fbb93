/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */

#include <string.h>
#include <time.h>

#include "auth/token_cache.h"
#include "forge.h"
#include "util/clock.h"

static const struct jwt_want access_want = { &good_key, JWT_ACCESS };
static const struct jwt_want refresh_want = { &good_key, JWT_REFRESH };

static int
check(struct token_cache *cache, const struct jwt_want *want,
    const struct buf *token, struct err *e)
{
	const struct jwt_text text = { token->data, token->len };
	struct jwt_claims c = { 0 };
	int rc = token_cache_verify(cache, &c, want, &text, e);

	if (rc == 0)
		assert_string_equal(c.user_id, USER);
	return rc;
}

static void
the_answer_is_the_same_each_time(void **state)
{
	struct buf token = BUF(JWT_TOKEN_MAX);
	struct token_cache *cache = NULL;
	struct err e = { 0 };
	int i;

	(void)state;
	assert_int_equal(token_cache_new(&cache, 8, &e), 0);
	forge(&token, HS256, payload_with(0, 60, ACCESS));
	for (i = 0; i < 3; i++)
		assert_int_equal(check(cache, &access_want, &token, &e), 0);
	/* a remembered token does not pass for another type */
	assert_int_equal(check(cache, &refresh_want, &token, &e), -1);
	assert_string_equal(e.text, "Invalid token type. Expected refresh");
	/* and no other spelling of it passes */
	token.data[token.len - 8] ^= 1;
	assert_int_equal(check(cache, &access_want, &token, &e), -1);
	assert_int_equal(check(cache, &access_want, &token, &e), -1);
	token_cache_free(cache);
	buf_clear(&token);
}

static void
an_entry_does_not_outlive_its_token(void **state)
{
	struct buf token = BUF(JWT_TOKEN_MAX);
	struct token_cache *cache = NULL;
	struct err e = { 0 };
	int64_t limit = clock_mono_ms() + 60000;

	(void)state;
	assert_int_equal(token_cache_new(&cache, 8, &e), 0);
	forge(&token, HS256, payload_with(0, 4, ACCESS));
	assert_int_equal(check(cache, &access_want, &token, &e), 0);
	while (check(cache, &access_want, &token, &e) == 0) {
		const struct timespec nap = { 0, 20000000 };

		assert_true(clock_mono_ms() < limit);
		nanosleep(&nap, NULL);
	}
	assert_string_equal(e.text, "Token has expired");
	token_cache_free(cache);
	buf_clear(&token);
}

/* More tokens than places: all are still answered rightly. */
static void
a_full_cache_forgets_and_stays_right(void **state)
{
	struct buf token = BUF(JWT_TOKEN_MAX);
	struct token_cache *cache = NULL;
	struct err e = { 0 };
	int i;

	(void)state;
	assert_int_equal(token_cache_new(&cache, 4, &e), 0);
	for (i = 0; i < 200; i++) {
		forge(&token, HS256, payload_with(0, 60 + i, ACCESS));
		assert_int_equal(check(cache, &access_want, &token, &e), 0);
		assert_int_equal(check(cache, &access_want, &token, &e), 0);
	}
	token_cache_free(cache);
	buf_clear(&token);
}

/* What the cache is for: measured as a ratio of the time that this process
 * computes, so that a slow or busy machine does not matter. */
static void
a_remembered_token_is_cheaper(void **state)
{
	struct buf token = BUF(JWT_TOKEN_MAX);
	struct token_cache *cache = NULL;
	struct err e = { 0 };
	clock_t start, plain, cached;
	int i;

	(void)state;
	assert_int_equal(token_cache_new(&cache, 64, &e), 0);
	forge(&token, HS256, payload_with(0, 60, ACCESS));
	assert_int_equal(check(cache, &access_want, &token, &e), 0);
	start = clock();
	for (i = 0; i < 2000; i++)
		assert_int_equal(check(NULL, &access_want, &token, &e), 0);
	plain = clock() - start;
	start = clock();
	for (i = 0; i < 2000; i++)
		assert_int_equal(check(cache, &access_want, &token, &e), 0);
	cached = clock() - start;
	print_message("2000 checks: %ld without, %ld with the cache\n",
	    (long)plain, (long)cached);
	assert_true(cached < plain);
	token_cache_free(cache);
	buf_clear(&token);
}

static void
sizes_are_bounded(void **state)
{
	struct token_cache *cache = NULL;
	struct buf token = BUF(1 << 20);
	struct err e = { 0 };

	(void)state;
	assert_int_equal(token_cache_new(&cache, 0, &e), -1);
	assert_int_equal(token_cache_new(&cache, 65537, &e), -1);
	assert_int_equal(token_cache_new(&cache, (size_t)-1, &e), -1);
	assert_int_equal(token_cache_new(&cache, 1, &e), 0);
	assert_non_null(buf_reserve(&token, 100000));
	memset(token.data, 'A', 100000);
	token.len = 100000;
	assert_int_equal(check(cache, &access_want, &token, &e), -1);
	assert_string_equal(e.text, "Token is too long");
	token_cache_free(cache);
	token_cache_free(NULL);
	buf_clear(&token);
}

static int
set_up(void **state)
{
	struct err e = { 0 };

	(void)state;
	return encode_init(&e);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_answer_is_the_same_each_time),
		cmocka_unit_test(an_entry_does_not_outlive_its_token),
		cmocka_unit_test(a_full_cache_forgets_and_stays_right),
		cmocka_unit_test(a_remembered_token_is_cheaper),
		cmocka_unit_test(sizes_are_bounded),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
