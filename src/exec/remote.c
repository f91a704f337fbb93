#include "exec/remote.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "util/file.h"

#define CA_MAX ((size_t)2 * 1024 * 1024)
#define CA_PATH SANDBOX_CONTROL "/ca.pem"
#define VARS_MAX ((size_t)32 * 1024)
#define LINE_MAX_BYTES ((size_t)512)
#define TICK_MS 50

static const int pauses_ms[REMOTE_TRIES] = { 0, 500, 2000 };

static int
put_ca(struct pipeline *p, struct err *e)
{
	struct buf text = BUF(CA_MAX);
	int rc = -1;

	if (file_read(AT_FDCWD, p->spec->ca_file, &text, e) == -1)
		(void)err_wrap(e, "certificates for the repository's host");
	else
		rc = sandbox_put(p->sb, CA_PATH, text.data, text.len, 0600, e);
	buf_clear(&text);
	return rc;
}

int
remote_prepare(struct pipeline *p, const char *script, struct err *e)
{
	if (pipeline_put_shared(p, "askpass", e) == -1 ||
	    pipeline_put_shared(p, "remote.sh", e) == -1 ||
	    pipeline_put_shared(p, script, e) == -1)
		return -1;
	return p->spec->ca_file[0] == '\0' ? 0 : put_ca(p, e);
}

int
remote_run(struct pipeline *p, struct script *s, int *code, struct err *e)
{
	const struct {
		const char *name, *value;
	} vars[] = {
		{ "TASKMILL_CONTROL", SANDBOX_CONTROL },
		{ "TASKMILL_URL", p->spec->clone_url },
		{ "TASKMILL_BRANCH", p->spec->branch },
		{ "TASKMILL_ORIGIN", p->spec->origin_url },
		{ "TASKMILL_TOKEN", p->secrets->github_token },
		{ "TASKMILL_CA", p->spec->ca_file[0] == '\0' ? "" : CA_PATH },
		{ "TASKMILL_BASE", p->spec->base_commit },
		{ "TASKMILL_HEAD", p->spec->head_branch },
	};
	enum {
		N = sizeof(vars) / sizeof(vars[0])
	};
	struct buf text = BUF(VARS_MAX);
	const char *env[N + 1] = { NULL };
	size_t at[N];
	int rc = -1;

	for (size_t i = 0; i < N; i++) {
		at[i] = text.len;
		buf_addf(&text, "%s=%s", vars[i].name,
		    vars[i].value == NULL ? "" : vars[i].value);
		buf_add(&text, "", 1);
	}
	if (!buf_ok(&text)) {
		(void)err_set(e, ERR_INVALID, "URL or token are too long");
		goto out;
	}
	for (size_t i = 0; i < N; i++)
		env[i] = text.data + at[i];
	s->env = env;
	s->network = true;
	s->limit_s = (unsigned int)p->spec->clone_limit_s;
	s->setting = "CLONE_TIMEOUT_S";
	rc = pipeline_script(p, s, code, e);
out:
	s->env = NULL;
	buf_wipe(&text);
	return rc;
}

/* Waits, but not when there is a wish to stop. */
static void
pause_ms(struct pipeline *p, int ms)
{
	for (; ms > 0 && !p->stop(p->ctx); ms -= TICK_MS)
		(void)poll(NULL, 0, TICK_MS);
}

int
remote_try(struct pipeline *p,
    int (*once)(struct pipeline *p, bool *again, struct err *e), struct err *e)
{
	bool again = true;

	for (int i = 0; i < REMOTE_TRIES && again; i++) {
		pause_ms(p, pauses_ms[i]);
		if (p->stop(p->ctx))
			return pipeline_cancel(p, e);
		p->over = false;
		if (once(p, &again, e) == -1)
			return -1;
		if (again && i + 1 < REMOTE_TRIES &&
		    spool_note(p->spool, "note",
			"The repository's host does not answer; trying again.",
			e) == -1)
			return -1;
	}
	return 0;
}

void
remote_read_line(struct pipeline *p, const char *path, char *out, size_t size)
{
	struct buf text = BUF(LINE_MAX_BYTES);
	struct err ignored = { 0 };

	out[0] = '\0';
	if (sandbox_get(p->sb, path, &text, &ignored) == 0 && text.len > 0) {
		text.data[strcspn(text.data, "\n")] = '\0';
		(void)snprintf(out, size, "%s", text.data);
	}
	buf_clear(&text);
}

bool
remote_is_commit(const char *id)
{
	size_t n = strspn(id, "0123456789abcdef");

	return (n == 40 || n == 64) && id[n] == '\0';
}
