#include "spool/memo.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/file.h"
#include "util/json.h"

#define MEMO_FILE "sandbox.json"
#define RESUMES_FILE "resumes" /* a byte for each */
#define MEMO_MAX ((size_t)1024)
#define RUNS_MAX 10000

int
memo_write(int dirfd, const struct memo *m, struct err *e)
{
	struct buf text = BUF(MEMO_MAX);
	struct json_out j;
	int rc = -1;

	json_start(&j, &text);
	json_open(&j);
	json_name_text(&j, "nonce", m->nonce);
	json_name_text(&j, "id", m->id);
	json_name_bool(&j, "v1", m->v1);
	json_name_int(&j, "runs", m->runs);
	json_name_int(&j, "began_us", m->began_us);
	json_name_int(&j, "cut_run", m->cut_run);
	json_name_bool(&j, "cut_early", m->cut_early);
	json_name_text(&j, "secrets", m->secrets);
	json_close(&j);
	if (!buf_ok(&text))
		(void)err_set(e, ERR_RETRY, "out of memory for " MEMO_FILE);
	else
		rc = file_replace(dirfd, MEMO_FILE, text.data, text.len, 0600,
		    e);
	buf_clear(&text);
	return rc;
}

/* Of the letters in chars, and at most size - 1 of them. */
static bool
take_word(struct json_object *o, const char *name, const char *chars, char *to,
    size_t size)
{
	const char *s;
	size_t len;

	if (json_get_string(o, name, &s, &len) != JSON_FOUND || len >= size ||
	    strspn(s, chars) != len)
		return false;
	memcpy(to, s, len + 1);
	return true;
}

static bool
take_run(struct json_object *o, const char *name, unsigned int *run)
{
	int64_t n;

	if (json_get_int(o, name, &n) != JSON_FOUND || n < 0 || n > RUNS_MAX)
		return false;
	*run = (unsigned int)n;
	return true;
}

static bool
take_memo(struct json_object *o, struct memo *m)
{
	if (!take_word(o, "nonce", "0123456789abcdef", m->nonce,
		sizeof(m->nonce)) ||
	    !take_word(o, "id", "abcdefghijklmnopqrstuvwxyz0123456789-", m->id,
		sizeof(m->id)) ||
	    json_get_bool(o, "v1", &m->v1) != JSON_FOUND ||
	    !take_run(o, "runs", &m->runs) ||
	    json_get_int(o, "began_us", &m->began_us) != JSON_FOUND ||
	    !take_run(o, "cut_run", &m->cut_run) ||
	    json_get_bool(o, "cut_early", &m->cut_early) != JSON_FOUND ||
	    !take_word(o, "secrets", "0123456789abcdef", m->secrets,
		sizeof(m->secrets)))
		return false;
	return m->nonce[0] != '\0';
}

int
memo_read(int dirfd, struct memo *m, struct err *e)
{
	struct buf text = BUF(MEMO_MAX);
	struct json_object *o = NULL;
	int rc = -1;

	memset(m, 0, sizeof(*m));
	if (file_read_beneath(dirfd, MEMO_FILE, &text, e) == -1)
		goto out;
	if (text.len == 0 || json_read(&o, text.data, text.len, e) == -1 ||
	    !take_memo(o, m)) {
		(void)err_set(e, ERR_BROKEN, MEMO_FILE " cannot be read");
		goto out;
	}
	rc = 0;
out:
	json_free(o);
	buf_clear(&text);
	return rc;
}

int
memo_forget(int dirfd, struct err *e)
{
	if (unlinkat(dirfd, MEMO_FILE, 0) == -1 && errno != ENOENT)
		return err_sys(e, ERR_RETRY, "remove " MEMO_FILE);
	return 0;
}

unsigned int
memo_resumes(int dirfd)
{
	struct stat st;

	if (fstatat(dirfd, RESUMES_FILE, &st, AT_SYMLINK_NOFOLLOW) == -1)
		return 0;
	return (unsigned int)st.st_size;
}

int
memo_resumes_add(int dirfd, struct err *e)
{
	int fd, rc;

	fd = openat(dirfd, RESUMES_FILE,
	    O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd == -1)
		return err_sys(e, ERR_RETRY, "open " RESUMES_FILE);
	rc = fd_write_all(fd, "+", 1, e);
	if (rc == 0 && fsync(fd) == -1)
		rc = err_sys(e, ERR_RETRY, "write " RESUMES_FILE);
	(void)close(fd);
	return rc;
}
