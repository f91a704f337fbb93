/* e2b: making a sandbox ready, and getting rid of it. See e2b.h. */
#include "exec/e2b.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/clock.h"
#include "util/file.h"
#include "util/log.h"

#define SCRIPT_MAX ((size_t)64 * 1024)
#define MODES_MAX ((size_t)16 * 1024)
#define KILL_ROUNDS 3

int
e2b_set_account(struct e2b *b, const struct sandbox_e2b *set, struct err *e)
{
	const struct sandbox_e2b *s = &b->account;
	int n, k;

	b->account = *set;
	b->hurry_ms = INT64_MAX;
	if (b->account.template_id[0] == '\0')
		b->account.template_id = "base";
	if (b->account.domain[0] == '\0')
		b->account.domain = "e2b.app";
	b->set = s;
	if (s->api_url[0] != '\0')
		n = snprintf(b->api, sizeof(b->api), "%s", s->api_url);
	else
		n = snprintf(b->api, sizeof(b->api), "https://api.%s",
		    s->domain);
	k = snprintf(b->key, sizeof(b->key), "X-API-Key: %s", s->api_key);
	if (n <= 0 || (size_t)n >= sizeof(b->api) || k < 0 ||
	    (size_t)k >= sizeof(b->key) || strpbrk(s->api_key, "\r\n") != NULL)
		return err_set(e, ERR_INVALID,
		    "E2B_API_URL or E2B_API_KEY are not valid");
	if (b->api[n - 1] == '/')
		b->api[n - 1] = '\0';
	return 0;
}

/* The script that every command runs under. */
static int
put_script(struct e2b *b, const char *share_dir, struct err *e)
{
	struct buf text = BUF(SCRIPT_MAX);
	char path[4096];
	int rc = -1;

	(void)snprintf(path, sizeof(path), "%s/sandbox/e2b-run", share_dir);
	if (file_read(AT_FDCWD, path, &text, e) == 0)
		rc = e2b_put(&b->base, E2B_RUN_SCRIPT, text.data, text.len,
		    0600, e);
	buf_clear(&text);
	return rc;
}

/* Kills it, and again; what stays is the janitor's, and ends by itself. */
static void
end_it(struct e2b *b)
{
	struct err e = { 0 };

	b->closing = true;
	if (b->unborn[0] != '\0' &&
	    e2b_search(b, b->unborn, (int64_t)b->set->create_limit_s * 1000,
		&e) == -1) {
		if (e.kind != ERR_ABSENT)
			log_err(LOG_WARN, &e, "e2b nonce=%s unknown",
			    b->unborn);
		return;
	}
	if (b->id[0] == '\0')
		return;
	for (int i = 0; i < KILL_ROUNDS; i++) {
		if (e2b_kill(b, &e) == 0) {
			e2b_forget(b);
			return;
		}
		if (!e2b_trouble_passes(b->trouble))
			break;
	}
	log_err(LOG_WARN, &e, "e2b sandbox=%s left", b->id);
}

static void
e2b_close(struct sandbox *sb)
{
	struct e2b *b = (struct e2b *)sb;

	if (b->pool != NULL)
		end_it(b);
	net_pool_free(b->pool);
	buf_clear(&b->modes);
	explicit_bzero(b->key, sizeof(b->key));
	explicit_bzero(b->token, sizeof(b->token));
	free(b);
}

/* What is asked to end it, and goes well, is not why it could not be opened. */
static void
close_failed(struct e2b *b)
{
	struct sandbox_host *host = b->host;
	const char *failure = host->failure;

	e2b_close(&b->base);
	host->failure = failure;
}

static int
e2b_open(struct sandbox **sb, const struct sandbox_spec *spec, struct err *e)
{
	struct e2b *b = calloc(1, sizeof(*b));
	int rc = -1;

	*sb = NULL;
	if (b == NULL)
		return err_set(e, ERR_RETRY, "out of memory");
	b->base.kind = &sandbox_e2b;
	b->host = spec->host;
	b->modes = (struct buf)BUF(MODES_MAX);
	b->host->failure = NULL;
	if (e2b_set_account(b, spec->e2b, e) == -1 ||
	    net_pool_new(&b->pool, e) == -1 ||
	    (spec->memo == NULL
		    ? e2b_create(b, spec->life_s, e)
		    : e2b_reopen(b, spec->memo, spec->life_s, e)) == -1)
		goto out;
	/* Stopped in the middle of it: the caller will see why, and close. */
	if (b->unborn[0] == '\0' && put_script(b, spec->share_dir, e) == -1)
		goto out;
	*sb = &b->base;
	rc = 0;
out:
	if (rc == -1)
		close_failed(b);
	return rc;
}

static const char *
e2b_id(const struct sandbox *sb)
{
	return ((const struct e2b *)sb)->id;
}

static int
e2b_probe(const struct sandbox_spec *spec, char *how, size_t size,
    struct err *e)
{
	struct sandbox *sb = NULL;
	struct e2b *b;
	int rc;

	if (e2b_open(&sb, spec, e) == -1 || sb == NULL)
		return -1;
	b = (struct e2b *)sb;
	(void)snprintf(how, size,
	    "E2B at %s: sandbox %s was made of the template \"%s\", and ended",
	    b->api, b->id, b->set->template_id);
	if ((rc = e2b_kill(b, e)) == 0) {
		e2b_forget(b);
		b->id[0] = '\0'; /* there is none to be closed any more */
	}
	e2b_close(sb);
	return rc;
}

const struct sandbox_kind sandbox_e2b = {
	.name = "e2b",
	.open = e2b_open,
	.id = e2b_id,
	.run = e2b_run,
	.put = e2b_put,
	.get = e2b_get,
	.close = e2b_close,
	.probe = e2b_probe,
};
