/* The secrets of spool/spec.h, over a pipe. */
#include <errno.h>
#include <poll.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "spool/spec.h"
#include "util/buf.h"
#include "util/clock.h"
#include "util/file.h"
#include "util/json.h"

static const char name_chars[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";

static void
wipe(char *s)
{
	if (s == NULL)
		return;
	sodium_memzero(s, strlen(s));
	free(s);
}

void
secrets_clear(struct secrets *s)
{
	wipe(s->github_token);
	wipe(s->e2b_api_key);
	for (size_t i = 0; i < SECRETS_ENV_MAX; i++)
		wipe(s->env[i]);
	*s = (struct secrets){ 0 };
}

/* Length of the name in "NAME=value"; 0 when it has none. */
static size_t
name_length(const char *pair)
{
	size_t n = strspn(pair, name_chars);

	return pair[n] == '=' ? n : 0;
}

int
secrets_write(int fd, const struct secrets *s, struct err *e)
{
	struct buf text = BUF(SECRETS_MAX_BYTES);
	struct json_out j;
	int rc = -1;

	json_start(&j, &text);
	json_open(&j);
	json_name_text(&j, "github_token",
	    s->github_token == NULL ? "" : s->github_token);
	if (s->e2b_api_key != NULL && s->e2b_api_key[0] != '\0')
		json_name_text(&j, "e2b_api_key", s->e2b_api_key);
	json_name(&j, "env");
	json_open(&j);
	for (size_t i = 0; i < SECRETS_ENV_MAX && s->env[i] != NULL; i++) {
		size_t n = name_length(s->env[i]);

		if (n == 0) {
			(void)err_set(e, ERR_INVALID,
			    "a secret for the environment has no name");
			goto out;
		}
		json_string(&j, s->env[i], n);
		buf_putc(&text, ':');
		j.comma = false;
		json_text(&j, s->env[i] + n + 1);
	}
	json_close(&j);
	json_close(&j);
	if (!buf_ok(&text)) {
		(void)err_set(e, ERR_INVALID,
		    "secrets are larger than %d bytes", SECRETS_MAX_BYTES);
		goto out;
	}
	rc = fd_write_all(fd, text.data, text.len, e);
out:
	buf_wipe(&text);
	return rc;
}

/* Reads to the end of file. */
static int
read_all(int fd, int limit_ms, struct buf *text, struct err *e)
{
	int64_t until = clock_mono_ms() + limit_ms;
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char piece[4096];
	int rc = -1;
	ssize_t n;

	for (;;) {
		int64_t left = until - clock_mono_ms();

		if (left <= 0 || poll(&p, 1, (int)left) == 0) {
			(void)err_set(e, ERR_ABSENT,
			    "no secrets came within %d ms", limit_ms);
			goto out;
		}
		n = read(fd, piece, sizeof(piece));
		if (n == -1 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n == -1) {
			(void)err_sys(e, ERR_ABSENT, "read secrets");
			goto out;
		}
		if (n == 0)
			break;
		buf_add(text, piece, (size_t)n);
	}
	if (!buf_ok(text)) {
		(void)err_set(e, ERR_ABSENT, "secrets are too large");
		goto out;
	}
	rc = 0;
out:
	sodium_memzero(piece, sizeof(piece));
	return rc;
}

/* The names that may be in "env" are not known here: they are walked. */
static int
add_env(struct secrets *s, size_t i, const char *name, struct json_object *env,
    struct err *e)
{
	const char *value;
	size_t len, size;

	if (strspn(name, name_chars) != strlen(name) || name[0] == '\0' ||
	    json_get_string(env, name, &value, &len) != JSON_FOUND)
		return err_set(e, ERR_ABSENT, "secrets: a bad name or value");
	if (i >= SECRETS_ENV_MAX)
		return err_set(e, ERR_ABSENT, "secrets: more than %d",
		    SECRETS_ENV_MAX);
	size = strlen(name) + 1 + len + 1;
	if ((s->env[i] = malloc(size)) == NULL)
		return err_set(e, ERR_RETRY, "out of memory");
	memcpy(s->env[i], name, strlen(name));
	s->env[i][strlen(name)] = '=';
	memcpy(s->env[i] + strlen(name) + 1, value, len + 1);
	return 0;
}

static int
parse(const struct buf *text, struct secrets *s, struct err *e)
{
	struct json_object *o = NULL, *env = NULL;
	const char *token, *key = "", *name;
	size_t len;
	int rc = -1;

	/* No prefix of an object is an object: half a document never passes. */
	if (json_read(&o, text->data == NULL ? "" : text->data, text->len, e) ==
		-1 ||
	    json_get_string(o, "github_token", &token, &len) != JSON_FOUND ||
	    json_get_string(o, "e2b_api_key", &key, &len) == JSON_MISTYPED ||
	    json_get_object(o, "env", &env) != JSON_FOUND) {
		(void)err_set(e, ERR_ABSENT, "secrets did not come whole");
		goto out;
	}
	if ((s->github_token = strdup(token)) == NULL ||
	    (s->e2b_api_key = strdup(key)) == NULL) {
		(void)err_set(e, ERR_RETRY, "out of memory");
		goto out;
	}
	for (size_t i = 0; (name = json_member_name(env, i)) != NULL; i++) {
		if (add_env(s, i, name, env, e) == -1)
			goto out;
	}
	rc = 0;
out:
	json_free(o);
	return rc;
}

int
secrets_read(int fd, int limit_ms, struct secrets *s, struct err *e)
{
	struct buf text = BUF(SECRETS_MAX_BYTES);
	int rc = -1;

	*s = (struct secrets){ 0 };
	if (read_all(fd, limit_ms, &text, e) == -1 || parse(&text, s, e) == -1)
		goto out;
	rc = 0;
out:
	buf_wipe(&text);
	if (rc == -1)
		secrets_clear(s);
	return rc;
}
