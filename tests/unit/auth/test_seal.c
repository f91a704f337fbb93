/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "auth/seal.h"
#include "util/file.h"

#define TOKEN "ghp_notarealtoken0123456789abcdefghij"

/* A folder with one key, both halves loaded. */
struct room {
	char dir[64];
	char keys[80];
	char key_id[SEAL_KEY_ID];
	struct seal_public public;
	struct seal_secret *secret;
	struct seal_owner owner;
};

static int
set_up(void **state)
{
	struct room *r = calloc(1, sizeof(*r));
	struct err e = { 0 };

	snprintf(r->dir, sizeof(r->dir), "seal-test-XXXXXX");
	assert_int_equal(encode_init(&e), 0);
	assert_non_null(mkdtemp(r->dir));
	snprintf(r->keys, sizeof(r->keys), "%s/a/keys", r->dir);
	assert_int_equal(seal_key_make(r->keys, r->key_id, &e), 0);
	assert_int_equal(seal_public_load(&r->public, r->keys, &e), 0);
	assert_int_equal(seal_secret_load(&r->secret, r->keys, r->key_id, &e),
	    0);
	memcpy(r->owner.user_id, "11111111-2222-3333-4444-555555555555",
	    UUID_TEXT);
	random_fill(r->owner.nonce, sizeof(r->owner.nonce));
	*state = r;
	return 0;
}

static int
tear_down(void **state)
{
	struct room *r = *state;
	struct err e = { 0 };

	seal_secret_free(r->secret);
	assert_int_equal(dir_remove(AT_FDCWD, r->dir, &e), 0);
	free(r);
	return 0;
}

static void
make_box(const struct room *r, struct buf *sealed)
{
	struct err e = { 0 };

	assert_int_equal(seal(sealed, &r->public, &r->owner, TOKEN, &e), 0);
	assert_int_equal(sealed->len, sizeof(TOKEN) - 1 + SEAL_OVERHEAD);
}

/* Tries to open; asserts that nothing comes out when it does not. */
static int
try_open(const struct seal_secret *key, const struct seal_owner *owner,
    const struct buf *sealed, struct err *e)
{
	const struct seal_box box = { sealed->data, sealed->len };
	struct buf out = BUF(SEAL_SECRET_MAX);
	int rc = unseal(&out, key, owner, &box, e);

	if (rc == 0) {
		assert_int_equal(out.len, sizeof(TOKEN) - 1);
		assert_string_equal(out.data, TOKEN);
	} else {
		assert_int_equal(out.len, 0);
		assert_null(strstr(e->text, "ghp_"));
	}
	buf_wipe(&out);
	return rc;
}

static void
what_was_sealed_opens(void **state)
{
	const struct room *r = *state;
	struct buf a = BUF(SEAL_SEALED_MAX), b = BUF(SEAL_SEALED_MAX);
	struct err e = { 0 };

	make_box(r, &a);
	make_box(r, &b);
	assert_int_equal(try_open(r->secret, &r->owner, &a, &e), 0);
	/* nothing of it can be seen, and no two are alike */
	assert_null(memmem(a.data, a.len, TOKEN, 8));
	assert_null(memmem(a.data, a.len, "11111111", 8));
	assert_memory_not_equal(a.data, b.data, a.len);
	buf_clear(&a);
	buf_clear(&b);
}

static void
another_owner_does_not_open_it(void **state)
{
	const struct room *r = *state;
	struct seal_owner other = r->owner;
	struct buf sealed = BUF(SEAL_SEALED_MAX);
	struct err e = { 0 };

	make_box(r, &sealed);
	other.user_id[0] = '9';
	assert_int_equal(try_open(r->secret, &other, &sealed, &e), -1);
	assert_int_equal(e.kind, ERR_BROKEN);
	other = r->owner;
	other.nonce[15] ^= 1;
	assert_int_equal(try_open(r->secret, &other, &sealed, &e), -1);
	assert_int_equal(e.kind, ERR_BROKEN);
	buf_clear(&sealed);
}

static void
every_flipped_bit_is_seen(void **state)
{
	const struct room *r = *state;
	struct buf sealed = BUF(SEAL_SEALED_MAX);
	struct err e = { 0 };
	size_t i;

	make_box(r, &sealed);
	for (i = 0; i < sealed.len * 8; i++) {
		char was = sealed.data[i / 8];

		sealed.data[i / 8] = (char)(was ^ (1 << (i % 8)));
		e.kind = ERR_NONE;
		/* The top bit of the sender's key means nothing to X25519,
		 * but it is part of what makes the box's nonce. */
		assert_int_equal(try_open(r->secret, &r->owner, &sealed, &e),
		    -1);
		assert_int_equal(e.kind, ERR_BROKEN);
		sealed.data[i / 8] = was;
	}
	buf_clear(&sealed);
}

static void
every_truncation_is_seen(void **state)
{
	const struct room *r = *state;
	struct buf sealed = BUF(SEAL_SEALED_MAX);
	struct err e = { 0 };
	size_t whole;

	make_box(r, &sealed);
	whole = sealed.len;
	for (sealed.len = 0; sealed.len < whole; sealed.len++)
		assert_int_equal(try_open(r->secret, &r->owner, &sealed, &e),
		    -1);
	buf_puts(&sealed, "x");
	assert_int_equal(try_open(r->secret, &r->owner, &sealed, &e), -1);
	buf_clear(&sealed);
}

static void
a_new_key_leaves_the_old_one_usable(void **state)
{
	const struct room *r = *state;
	char key_id[SEAL_KEY_ID];
	struct seal_public fresh;
	struct seal_secret *newer = NULL;
	struct buf sealed = BUF(SEAL_SEALED_MAX);
	struct err e = { 0 };

	make_box(r, &sealed);
	assert_int_equal(seal_key_make(r->keys, key_id, &e), 0);
	assert_string_not_equal(key_id, r->key_id);
	assert_int_equal(seal_public_load(&fresh, r->keys, &e), 0);
	assert_string_equal(fresh.key_id, key_id);
	assert_int_equal(seal_secret_load(&newer, r->keys, key_id, &e), 0);
	assert_int_equal(try_open(newer, &r->owner, &sealed, &e), -1);
	assert_int_equal(e.kind, ERR_BROKEN);
	assert_int_equal(try_open(r->secret, &r->owner, &sealed, &e), 0);
	seal_secret_free(newer);
	buf_clear(&sealed);
}

static void
key_files_have_their_modes(void **state)
{
	const struct room *r = *state;
	uint8_t digest[SHA256_BYTES];
	char path[160], id[2 * SHA256_BYTES + 1];
	struct seal_secret *k = NULL;
	struct stat st;
	struct err e = { 0 };

	sha256(digest, r->public.key, sizeof(r->public.key));
	encode_hex(id, digest, sizeof(digest));
	assert_memory_equal(r->key_id, id, SEAL_KEY_ID - 1);
	snprintf(path, sizeof(path), "%s/%s.public", r->keys, r->key_id);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0644);
	snprintf(path, sizeof(path), "%s/%s.secret", r->keys, r->key_id);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(chmod(path, 0640), 0);
	assert_int_equal(seal_secret_load(&k, r->keys, r->key_id, &e), -1);
	assert_int_equal(e.kind, ERR_DENIED);
	assert_null(k);
}

static void
missing_keys_are_absent(void **state)
{
	static const char *const ids[] = { "0123456789abcdef", "",
		"../../etc/passwd", "0123456789ABCDEF", "0123456789abcde",
		"0123456789abcdef0" };
	const struct room *r = *state;
	struct seal_public public;
	struct seal_secret *k = NULL;
	char path[160];
	size_t i;

	for (i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		struct err e = { 0 };

		assert_int_equal(seal_secret_load(&k, r->keys, ids[i], &e), -1);
		assert_int_equal(e.kind, ERR_ABSENT);
	}
	struct err e = { 0 };

	assert_int_equal(seal_public_load(&public, "seal-test-nowhere", &e),
	    -1);
	assert_int_equal(e.kind, ERR_ABSENT);
	snprintf(path, sizeof(path), "%s/current", r->keys);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(seal_public_load(&public, r->keys, &e), -1);
	assert_int_equal(e.kind, ERR_ABSENT);
}

static void
put(const struct room *r, const char *name, const char *text, size_t len)
{
	struct err e = { 0 };
	char path[160];

	snprintf(path, sizeof(path), "%s/%s", r->keys, name);
	assert_int_equal(file_replace(AT_FDCWD, path, text, len, 0600, &e), 0);
}

static void
damaged_keys_are_broken(void **state)
{
	static const char zeros[64] = { 0 };
	const struct room *r = *state;
	struct seal_public public;
	struct seal_secret *k = NULL;
	char name[64];
	size_t len;

	snprintf(name, sizeof(name), "%s.secret", r->key_id);
	for (len = 0; len <= 64; len += 16) {
		struct err e = { 0 };

		put(r, name, zeros, len);
		assert_int_equal(seal_secret_load(&k, r->keys, r->key_id, &e),
		    -1);
		assert_int_equal(e.kind, ERR_BROKEN);
	}
	struct err e = { 0 };

	snprintf(name, sizeof(name), "%s.public", r->key_id);
	put(r, name, zeros, 32);
	assert_int_equal(seal_public_load(&public, r->keys, &e), -1);
	assert_int_equal(e.kind, ERR_BROKEN);
	put(r, "current", "../../../etc/pas", 16);
	assert_int_equal(seal_public_load(&public, r->keys, &e), -1);
	assert_int_equal(e.kind, ERR_BROKEN);
}

static void
secrets_are_bounded(void **state)
{
	const struct room *r = *state;
	struct buf sealed = BUF(SEAL_SEALED_MAX), out = BUF(SEAL_SECRET_MAX);
	struct seal_owner nobody = { 0 };
	char *text = calloc(1, SEAL_SECRET_MAX + 2);
	struct seal_box box;
	struct err e = { 0 };

	memset(text, 'x', SEAL_SECRET_MAX + 1);
	assert_int_equal(seal(&sealed, &r->public, &r->owner, text, &e), -1);
	assert_int_equal(e.kind, ERR_INVALID);
	text[SEAL_SECRET_MAX] = '\0';
	assert_int_equal(seal(&sealed, &r->public, &nobody, text, &e), -1);
	assert_int_equal(seal(&sealed, &r->public, &r->owner, text, &e), 0);
	box.bytes = sealed.data;
	box.len = sealed.len;
	assert_int_equal(unseal(&out, r->secret, &r->owner, &box, &e), 0);
	assert_int_equal(out.len, SEAL_SECRET_MAX);
	assert_string_equal(out.data, text);
	buf_reset(&out);
	buf_reset(&sealed);
	assert_int_equal(seal(&sealed, &r->public, &r->owner, "", &e), 0);
	box.len = sealed.len;
	assert_int_equal(unseal(&out, r->secret, &r->owner, &box, &e), 0);
	assert_int_equal(out.len, 0);
	buf_wipe(&out);
	buf_clear(&sealed);
	free(text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_was_sealed_opens, set_up,
		    tear_down),
		cmocka_unit_test_setup_teardown(another_owner_does_not_open_it,
		    set_up, tear_down),
		cmocka_unit_test_setup_teardown(every_flipped_bit_is_seen,
		    set_up, tear_down),
		cmocka_unit_test_setup_teardown(every_truncation_is_seen,
		    set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    a_new_key_leaves_the_old_one_usable, set_up, tear_down),
		cmocka_unit_test_setup_teardown(key_files_have_their_modes,
		    set_up, tear_down),
		cmocka_unit_test_setup_teardown(missing_keys_are_absent, set_up,
		    tear_down),
		cmocka_unit_test_setup_teardown(damaged_keys_are_broken, set_up,
		    tear_down),
		cmocka_unit_test_setup_teardown(secrets_are_bounded, set_up,
		    tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
