/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */

#include <sodium.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "auth/password.h"
#include "util/encode.h"

static const struct password_cost cheap = { 1, (size_t)8 << 20 };
static const struct password_cost usual = PASSWORD_COST_DEFAULT;

static bool
matches(const char *hash, const char *password)
{
	return password_matches(hash, password, strlen(password));
}

static void
only_the_password_matches(void **state)
{
	static const char pw[] = "correct horse battery";
	char hash[PASSWORD_HASH_TEXT], again[PASSWORD_HASH_TEXT];
	struct err e = { 0 };

	(void)state;
	assert_int_equal(password_hash(hash, pw, sizeof(pw) - 1, &cheap, &e),
	    0);
	assert_int_equal(strncmp(hash, "$argon2id$v=19$m=8192,t=1,p=1$", 30),
	    0);
	assert_null(strstr(hash, "horse"));
	assert_true(matches(hash, pw));
	assert_false(matches(hash, "correct horse batterz"));
	assert_false(matches(hash, "correct horse batter"));
	assert_false(matches(hash, ""));
	/* longer by a NUL is another password */
	assert_false(password_matches(hash, pw, sizeof(pw)));
	assert_int_equal(password_hash(again, pw, sizeof(pw) - 1, &cheap, &e),
	    0);
	assert_string_not_equal(hash, again);
}

static void
what_is_no_hash_matches_nothing(void **state)
{
	static const char *const bad[] = { "", "x", "$argon2id$", "$1$a$b",
		"$argon2id$v=19$m=8192,t=1,p=1$AAAA$AAAA" };
	char endless[PASSWORD_HASH_TEXT + 10];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(matches(bad[i], "correct horse battery"));
	memset(endless, 'a', sizeof(endless));
	assert_false(password_matches(endless, "correct horse", 13));
	assert_true(password_outdated(endless, &cheap));
	assert_true(password_outdated("", &cheap));
}

static void
the_rules(void **state)
{
	char longest[PASSWORD_MAX_BYTES + 1];
	char hash[PASSWORD_HASH_TEXT];
	struct err e = { 0 };

	(void)state;
	memset(longest, 'a', sizeof(longest));
	assert_int_equal(password_check("123456789", 9, &e), -1);
	assert_int_equal(e.kind, ERR_INVALID);
	assert_null(strstr(e.text, "123456789"));
	assert_int_equal(password_check("1234567890", 10, &e), 0);
	assert_int_equal(password_check("", 0, &e), -1);
	/* ten bytes, but five characters */
	assert_int_equal(
	    password_check("\u00e4\u00f6\u00fc\u00e4\u00f6", 10, &e), -1);
	assert_int_equal(password_check("1234567\xff"
					"890",
			     11, &e),
	    -1);
	assert_int_equal(password_check(longest, PASSWORD_MAX_BYTES, &e), 0);
	assert_int_equal(password_check(longest, sizeof(longest), &e), -1);
	assert_int_equal(
	    password_hash(hash, longest, sizeof(longest), &cheap, &e), -1);
	assert_int_equal(password_hash(hash, "short", 5, &cheap, &e), -1);
	assert_false(password_matches("$argon2id$", longest, sizeof(longest)));
}

static void
a_hash_of_another_cost_is_outdated(void **state)
{
	char hash[PASSWORD_HASH_TEXT];
	struct err e = { 0 };

	(void)state;
	assert_int_equal(password_hash(hash, "1234567890", 10, &cheap, &e), 0);
	assert_false(password_outdated(hash, &cheap));
	assert_true(password_outdated(hash, &usual));
}

/* The work that was asked of libsodium. */
static struct work {
	unsigned int checks, hashes; /* of a hash's text; of a password alone */
	unsigned long long passes;
	size_t memory_bytes;
	int algorithm;
} done;

int __real_crypto_pwhash_argon2id(unsigned char *out,
    unsigned long long out_len, const char *password, unsigned long long len,
    const unsigned char *salt, unsigned long long passes, size_t memory,
    int algorithm);
int __wrap_crypto_pwhash_argon2id(unsigned char *out,
    unsigned long long out_len, const char *password, unsigned long long len,
    const unsigned char *salt, unsigned long long passes, size_t memory,
    int algorithm);
int __real_crypto_pwhash_argon2id_str_verify(const char *hash,
    const char *password, unsigned long long len);
int __wrap_crypto_pwhash_argon2id_str_verify(const char *hash,
    const char *password, unsigned long long len);

int
__wrap_crypto_pwhash_argon2id(unsigned char *out, unsigned long long out_len,
    const char *password, unsigned long long len, const unsigned char *salt,
    unsigned long long passes, size_t memory, int algorithm)
{
	done.hashes++;
	done.passes = passes;
	done.memory_bytes = memory;
	done.algorithm = algorithm;
	return __real_crypto_pwhash_argon2id(out, out_len, password, len, salt,
	    passes, memory, algorithm);
}

int
__wrap_crypto_pwhash_argon2id_str_verify(const char *hash, const char *password,
    unsigned long long len)
{
	done.checks++;
	return __real_crypto_pwhash_argon2id_str_verify(hash, password, len);
}

/*
 * Seen by the work that is asked for, not by a clock, which shows what else the
 * machine does: the same algorithm, once, at the cost that real hashes name.
 */
static void
an_unknown_user_costs_the_same(void **state)
{
	char hash[PASSWORD_HASH_TEXT], cost[64];
	struct err e = { 0 };

	(void)state;
	assert_int_equal(password_hash(hash, "1234567890", 10, &cheap, &e), 0);
	memset(&done, 0, sizeof(done));
	assert_false(matches(hash, "a wrong password"));
	assert_int_equal(done.checks, 1);
	assert_int_equal(done.hashes, 0);

	memset(&done, 0, sizeof(done));
	password_waste("a wrong password", 16, &cheap);
	assert_int_equal(done.checks, 0);
	assert_int_equal(done.hashes, 1);
	assert_int_equal(done.algorithm, crypto_pwhash_ALG_ARGON2ID13);
	(void)snprintf(cost, sizeof(cost), "$argon2id$v=19$m=%zu,t=%llu,p=1$",
	    done.memory_bytes / 1024, done.passes);
	assert_int_equal(strncmp(hash, cost, strlen(cost)), 0);
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
		cmocka_unit_test(only_the_password_matches),
		cmocka_unit_test(what_is_no_hash_matches_nothing),
		cmocka_unit_test(the_rules),
		cmocka_unit_test(a_hash_of_another_cost_is_outdated),
		cmocka_unit_test(an_unknown_user_costs_the_same),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
