#include "auth/seal_key.h"

#include <fcntl.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/file.h"

#define CURRENT "current"
#define NAME_MAX_BYTES 32
#define ID_CHARS (SEAL_KEY_ID - 1)

_Static_assert(sizeof(((struct seal_public *)0)->key) ==
	    crypto_box_PUBLICKEYBYTES &&
	sizeof(((struct seal_secret *)0)->key) == crypto_box_SECRETKEYBYTES,
    "keys are libsodium's box keys");

static void
set_id(struct seal_public *key)
{
	uint8_t digest[SHA256_BYTES];

	sha256(digest, key->key, sizeof(key->key));
	encode_hex(key->key_id, digest, ID_CHARS / 2);
}

/* An ID becomes a file name, so it is looked at before it does. */
static bool
is_id(const char *s)
{
	return strnlen(s, SEAL_KEY_ID) == ID_CHARS &&
	    strspn(s, "0123456789abcdef") == ID_CHARS;
}

static int
open_dir(int *dirfd, const char *dir, struct err *e)
{
	*dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (*dirfd < 0)
		return err_sys(e, ERR_ABSENT, "open %s", dir);
	return 0;
}

static void
close_dir(int dirfd)
{
	if (dirfd >= 0)
		close(dirfd);
}

static void
file_name(char out[NAME_MAX_BYTES], const char *key_id, const char *kind)
{
	snprintf(out, NAME_MAX_BYTES, "%.16s.%s", key_id, kind);
}

/* Reads a key file, which is 32 bytes and nothing else. */
static int
read_key(uint8_t out[32], int dirfd, const char *name, struct err *e)
{
	struct buf b = BUF(33);
	int rc = -1;

	if (file_read(dirfd, name, &b, e) != 0) {
		if (e->kind == ERR_INVALID)
			e->kind = ERR_BROKEN;
		goto out;
	}
	if (b.len != 32) {
		err_set(e, ERR_BROKEN, "%s is not a key", name);
		goto out;
	}
	memcpy(out, b.data, 32);
	rc = 0;
out:
	buf_wipe(&b);
	return rc;
}

static int
read_current(char key_id[SEAL_KEY_ID], int dirfd, struct err *e)
{
	struct buf b = BUF(64);
	int rc = -1;

	if (file_read(dirfd, CURRENT, &b, e) != 0)
		goto out;
	if (b.len > 0 && b.data[b.len - 1] == '\n')
		b.data[--b.len] = '\0';
	if (b.len != ID_CHARS || !is_id(b.data)) {
		err_set(e, ERR_BROKEN, CURRENT " does not name a key");
		goto out;
	}
	memcpy(key_id, b.data, SEAL_KEY_ID);
	rc = 0;
out:
	buf_clear(&b);
	return rc;
}

int
seal_public_load(struct seal_public *key, const char *dir, struct err *e)
{
	char name[NAME_MAX_BYTES], key_id[SEAL_KEY_ID];
	struct seal_public found;
	int dirfd = -1, rc = -1;

	if (open_dir(&dirfd, dir, e) != 0 ||
	    read_current(key_id, dirfd, e) != 0)
		goto out;
	file_name(name, key_id, "public");
	if (read_key(found.key, dirfd, name, e) != 0)
		goto out;
	set_id(&found);
	if (strcmp(found.key_id, key_id) != 0) {
		err_set(e, ERR_BROKEN, "%s is another key", name);
		goto out;
	}
	*key = found;
	rc = 0;
out:
	close_dir(dirfd);
	return rc == 0 ? 0 : err_wrap(e, "sealing key in %s", dir);
}

/* A secret key that others can read is no secret any more. */
static int
check_private(int dirfd, const char *name, struct err *e)
{
	struct stat st;

	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return err_sys(e, ERR_ABSENT, "%s", name);
	if ((st.st_mode & (S_IRWXG | S_IRWXO)) != 0)
		return err_set(e, ERR_DENIED,
		    "%s: others than its owner have rights on it", name);
	return 0;
}

static int
read_secret(struct seal_secret *key, int dirfd, const char *key_id,
    struct err *e)
{
	char name[NAME_MAX_BYTES];

	file_name(name, key_id, "secret");
	if (check_private(dirfd, name, e) != 0 ||
	    read_key(key->key, dirfd, name, e) != 0)
		return -1;
	if (crypto_scalarmult_base(key->pair.key, key->key) != 0)
		return err_set(e, ERR_BROKEN, "%s is not a key", name);
	set_id(&key->pair);
	if (strcmp(key->pair.key_id, key_id) != 0)
		return err_set(e, ERR_BROKEN, "%s is another key", name);
	return 0;
}

int
seal_secret_load(struct seal_secret **key, const char *dir, const char *key_id,
    struct err *e)
{
	struct seal_secret *k = NULL;
	int dirfd = -1, rc = -1;

	if (!is_id(key_id))
		return err_set(e, ERR_ABSENT, "no such sealing key");
	if ((k = sodium_malloc(sizeof(*k))) == NULL)
		return err_set(e, ERR_RETRY, "sealing key: out of memory");
	if (open_dir(&dirfd, dir, e) != 0 ||
	    read_secret(k, dirfd, key_id, e) != 0) {
		err_wrap(e, "sealing key in %s", dir);
		goto out;
	}
	*key = k;
	k = NULL;
	rc = 0;
out:
	close_dir(dirfd);
	seal_secret_free(k);
	return rc;
}

void
seal_secret_free(struct seal_secret *key)
{
	sodium_free(key); /* wipes; takes NULL */
}

/*
 * The secret first and "current" last, so that whatever a crash leaves behind
 * nothing is ever sealed with a key that cannot be opened.
 */
static int
write_pair(int dirfd, const struct seal_secret *key, struct err *e)
{
	char name[NAME_MAX_BYTES], line[SEAL_KEY_ID + 1];

	file_name(name, key->pair.key_id, "secret");
	if (file_replace(dirfd, name, key->key, sizeof(key->key), 0600, e) != 0)
		return -1;
	file_name(name, key->pair.key_id, "public");
	if (file_replace(dirfd, name, key->pair.key, sizeof(key->pair.key),
		0644, e) != 0)
		return -1;
	snprintf(line, sizeof(line), "%s\n", key->pair.key_id);
	return file_replace(dirfd, CURRENT, line, strlen(line), 0644, e);
}

int
seal_key_make(const char *dir, char key_id[SEAL_KEY_ID], struct err *e)
{
	struct seal_secret *k;
	int dirfd = -1, rc = -1;

	if ((k = sodium_malloc(sizeof(*k))) == NULL)
		return err_set(e, ERR_RETRY, "sealing key: out of memory");
	/* Cannot fail: it draws random bytes and multiplies. */
	(void)crypto_box_keypair(k->pair.key, k->key);
	set_id(&k->pair);
	if (dir_make(dir, 0755, e) != 0 || open_dir(&dirfd, dir, e) != 0 ||
	    write_pair(dirfd, k, e) != 0) {
		err_wrap(e, "make a sealing key in %s", dir);
		goto out;
	}
	memcpy(key_id, k->pair.key_id, SEAL_KEY_ID);
	rc = 0;
out:
	close_dir(dirfd);
	seal_secret_free(k);
	return rc;
}
