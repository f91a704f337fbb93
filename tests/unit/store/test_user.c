#include <string.h>

#include "fixture.h"
#include "store/account.h"
#include "util/encode.h"

#define HASH_1 "$argon2id$v=19$m=8$one"
#define HASH_2 "$argon2id$v=19$m=8$two"

static char id[37];

static void
new_account(const char *email)
{
	struct err e = { 0 };

	uuid_new(id);
	ok(user_add(db, id, email, "A Name", HASH_1, &e));
}

static void
an_account_is_found_by_id_and_address(void **state)
{
	struct user_row u;
	struct err e = { 0 };

	(void)state;
	clean();
	new_account("Ada@Example.ORG");
	ok(user_find_by_email(db, "aDA@example.org", &u, &e));
	assert_string_equal(u.id, id);
	assert_string_equal(u.email, "Ada@Example.ORG");
	assert_string_equal(u.password_hash, HASH_1);
	assert_true(u.can_sign_in);
	assert_false(u.disabled);
	assert_non_null(strstr(u.created_at, "+00:00"));
	ok(user_find_by_id(db, id, &u, &e));
	assert_string_equal(u.password_hash, HASH_1);
	assert_int_equal(user_find_by_email(db, "ada@example.or", &u, &e), -1);
	assert_int_equal(e.kind, ERR_ABSENT);
	assert_int_equal(user_find_by_email(db, "%", &u, &e), -1);
	assert_int_equal(e.kind, ERR_ABSENT);
	assert_int_equal(user_find_by_id(db, "not a uuid", &u, &e), -1);
	assert_int_equal(e.kind, ERR_ABSENT);
}

static void
an_address_signs_in_one_account(void **state)
{
	char second[37], imported[37];
	struct user_row u;
	struct err e = { 0 };

	(void)state;
	clean();
	new_account("ada@example.org");
	uuid_new(second);
	assert_int_equal(
	    user_add(db, second, "ADA@example.org", "x", HASH_2, &e), -1);
	assert_int_equal(e.kind, ERR_CONFLICT);
	assert_int_equal(user_add(db, id, "b@example.org", "x", HASH_2, &e),
	    -1);
	assert_int_equal(e.kind, ERR_CONFLICT);
	assert_true(number("SELECT COUNT(*) FROM users") == 1);

	/* From an imported table: the same address, no password yet. */
	make_user(imported);
	sql("UPDATE users SET email = 'ada@example.org'");
	ok(user_find_by_id(db, imported, &u, &e));
	assert_false(u.can_sign_in);
	assert_int_equal(user_set_password(db, imported, HASH_2, &e), -1);
	assert_int_equal(e.kind, ERR_CONFLICT);
	sql("UPDATE users SET email = CONCAT(id, '@example.org')");
	ok(user_set_password(db, imported, HASH_2, &e));
	ok(user_find_by_id(db, imported, &u, &e));
	assert_true(u.can_sign_in);
	assert_int_equal(user_set_password(db, second, HASH_2, &e), -1);
	assert_int_equal(e.kind, ERR_ABSENT);
}

static void
expect_token(const uint8_t hash[32], const char *user, const char *error)
{
	struct sign_in found;
	struct err e = { 0 };
	int rc = refresh_token_check(db, hash, user, &found, &e);

	assert_int_equal(rc, error == NULL ? 0 : -1);
	if (error != NULL) {
		assert_int_equal(e.kind, ERR_UNKNOWN);
		assert_string_equal(e.text, error);
	}
}

static uint64_t
epoch_now(void)
{
	struct user_row u;
	struct err e = { 0 };

	ok(user_find_by_id(db, id, &u, &e));
	return u.epoch;
}

static void
refresh_tokens_live_until_they_are_revoked(void **state)
{
	uint8_t a[32] = { 1 }, b[32] = { 2 }, c[32] = { 3 }, d[32] = { 4 };
	struct sign_in first = { .family = { 1 } }, other = { .family = { 2 } };
	struct err e = { 0 };
	char stranger[37];

	(void)state;
	clean();
	new_account("ada@example.org");
	make_user(stranger);
	ok(refresh_token_add(db, a, id, 3600, &first, &e));
	ok(refresh_token_add(db, a, id, 3600, &first, &e));
	ok(refresh_token_add(db, b, id, 3600, &other, &e));
	ok(refresh_token_add(db, d, id, 3600, &first, &e));
	expect_token(a, id, NULL);
	expect_token(d, id, NULL);
	expect_token(c, id, "Token has been revoked");
	expect_token(a, stranger, "Token has been revoked");
	expect_token(a, "00000000-0000-4000-8000-000000000000",
	    "User not found");
	ok(refresh_token_revoke(db, a, &e));
	ok(refresh_token_revoke(db, a, &e));
	expect_token(a, id, "Token has been revoked");
	expect_token(d, id, "Token has been revoked");
	expect_token(b, id, NULL);
	ok(user_set_password(db, id, HASH_2, &e));
	expect_token(b, id, "Token has been revoked");
	other.epoch = epoch_now();
	ok(refresh_token_add(db, c, id, 3600, &other, &e));
	expect_token(c, id, NULL);
	ok(user_set_disabled(db, id, true, &e));
	expect_token(c, id, "User not found");
	ok(user_set_disabled(db, id, false, &e));
	expect_token(c, id, "Token has been revoked");
}

/* Proven before, written down after: as dead as what was there. */
static void
nothing_outlives_what_ended_it_meanwhile(void **state)
{
	const struct sign_in proven = { .family = { 1 }, .epoch = 0 };
	uint8_t token[32] = { 1 }, cookie[32] = { 2 };
	struct sign_in found;
	struct err e = { 0 };
	char user[37];

	(void)state;
	clean();
	new_account("ada@example.org");
	ok(user_sign_out(db, id, &e));
	ok(refresh_token_add(db, token, id, 3600, &proven, &e));
	ok(session_add(db, cookie, id, 3600, &proven, &e));
	expect_token(token, id, "Token has been revoked");
	assert_int_equal(session_find(db, cookie, user, &found, &e), -1);
	assert_int_equal(e.kind, ERR_ABSENT);
}

static void
what_comes_from_a_proof_ends_with_it(void **state)
{
	struct sign_in s = { .family = { 1 }, .ends_s = 4000000000 };
	uint8_t hash[32] = { 9 }, a[32] = { 1 }, b[32] = { 2 }, c[32] = { 3 };
	struct api_token_new t = { hash, id, "t", false, 0 };
	struct sign_in found;
	struct err e = { 0 };
	char user[37];

	(void)state;
	clean();
	new_account("ada@example.org");
	ok(api_token_add(db, &t, &s.api_token_id, &e));
	ok(refresh_token_add(db, a, id, 3600, &s, &e));
	ok(session_add(db, b, id, 3600, &s, &e));
	ok(session_find(db, b, user, &found, &e));
	assert_memory_equal(found.family, s.family, sizeof(s.family));
	assert_true(found.api_token_id == s.api_token_id);
	assert_true(found.ends_s == 4000000000 && found.epoch == 0);
	expect_token(a, id, NULL);
	ok(api_token_revoke(db, s.api_token_id, user, &e));
	expect_token(a, id, "Token has been revoked");
	assert_int_equal(session_find(db, b, user, &found, &e), -1);
	s = (struct sign_in){ .family = { 2 }, .ends_s = 1000000000 };
	ok(refresh_token_add(db, c, id, 3600, &s, &e));
	expect_token(c, id, "Token has been revoked");
}

static void
a_hash_is_made_anew_only_for_the_same_password(void **state)
{
	struct user_row u;
	struct err e = { 0 };

	(void)state;
	clean();
	new_account("ada@example.org");
	ok(user_rehash(db, id, HASH_2, "x", &e));
	ok(user_find_by_id(db, id, &u, &e));
	assert_string_equal(u.password_hash, HASH_1);
	ok(user_rehash(db, id, HASH_1, HASH_2, &e));
	ok(user_find_by_id(db, id, &u, &e));
	assert_string_equal(u.password_hash, HASH_2);
	assert_true(u.epoch == 0);
}

static int
count_users(void *ctx, const struct user_row *u, struct err *e)
{
	int *n = ctx;

	(void)e;
	assert_string_equal(u->password_hash, "");
	(*n)++;
	return 0;
}

static void
disabled_users_are_found_but_not_let_in(void **state)
{
	struct user_row u;
	struct err e = { 0 };
	int n = 0;

	(void)state;
	clean();
	new_account("ada@example.org");
	ok(user_check(db, id, &e));
	ok(user_set_disabled(db, id, true, &e));
	ok(user_set_disabled(db, id, true, &e));
	assert_int_equal(user_check(db, id, &e), -1);
	assert_int_equal(e.kind, ERR_UNKNOWN);
	ok(user_find_by_id(db, id, &u, &e));
	assert_true(u.disabled);
	assert_int_equal(user_check(db, "not a uuid", &e), -1);
	assert_int_equal(e.kind, ERR_UNKNOWN);
	assert_int_equal(user_set_disabled(db,
			     "00000000-0000-4000-8000-000000000000", true, &e),
	    -1);
	assert_int_equal(e.kind, ERR_ABSENT);
	ok(user_list(db, count_users, &n, &e));
	assert_int_equal(n, 1);
}

int
run_user_tests(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_account_is_found_by_id_and_address),
		cmocka_unit_test(an_address_signs_in_one_account),
		cmocka_unit_test(refresh_tokens_live_until_they_are_revoked),
		cmocka_unit_test(nothing_outlives_what_ended_it_meanwhile),
		cmocka_unit_test(what_comes_from_a_proof_ends_with_it),
		cmocka_unit_test(
		    a_hash_is_made_anew_only_for_the_same_password),
		cmocka_unit_test(disabled_users_are_found_but_not_let_in),
	};

	return cmocka_run_group_tests_name("user", tests, fixture_up,
	    fixture_down);
}
