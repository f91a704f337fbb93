/* e2b: the calls to the account's API (E2B protocol 2). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "exec/e2b_list.h"
#include "util/clock.h"

#define ANSWER_MAX ((size_t)1024 * 1024)
#define KILL_CALL_MS 10000
#define PAUSE_CALL_MS 80000 /* it writes the memory down */
#define JSON_TYPE "Content-Type: application/json"

static const char *const shared_domains[] = { "e2b.app", "e2b.dev", "e2b.pro",
	"e2b-staging.dev" };

static bool
is_shared(const char *domain)
{
	for (size_t i = 0;
	     i < sizeof(shared_domains) / sizeof(shared_domains[0]); i++)
		if (strcmp(shared_domains[i], domain) == 0)
			return true;
	return false;
}

/* Letters that may stand in a host's name. */
static bool
is_domain(const char *domain)
{
	size_t n = strspn(domain,
	    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-:");

	return n > 0 && n <= 253 && domain[n] == '\0';
}

/* Where the sandbox is reached (protocol 1.2). */
static int
set_address(struct e2b *b, const char *domain, struct err *e)
{
	int n;

	if (b->set->sandbox_url[0] != '\0')
		n = snprintf(b->envd, sizeof(b->envd), "%s",
		    b->set->sandbox_url);
	else if (!is_domain(domain))
		n = -1;
	else if (is_shared(domain))
		n = snprintf(b->envd, sizeof(b->envd), "https://sandbox.%s",
		    domain);
	else
		n = snprintf(b->envd, sizeof(b->envd), "https://49983-%.*s.%s",
		    (int)strcspn(b->id, "-"), b->id, domain);
	if (n < 0 || (size_t)n >= sizeof(b->envd))
		return e2b_fail(b, E2B_PROTOCOL, "a domain that is none", e);
	n = (int)strlen(b->envd);
	if (n > 0 && b->envd[n - 1] == '/')
		b->envd[n - 1] = '\0';
	return 0;
}

/* Takes id, token and address from an answer about one sandbox. */
static int
take_sandbox(struct e2b *b, struct json_object *o, struct err *e)
{
	const char *id, *token, *domain;
	size_t len;

	if (json_get_string(o, "sandboxID", &id, &len) != JSON_FOUND ||
	    !cloud_is_id(id) || (b->id[0] != '\0' && strcmp(b->id, id) != 0))
		return e2b_fail(b, E2B_PROTOCOL, "a sandbox without its id", e);
	(void)snprintf(b->id, sizeof(b->id), "%s", id);
	(void)snprintf(b->routing, sizeof(b->routing), "E2b-Sandbox-Id: %s",
	    id);
	if (json_get_string(o, "envdAccessToken", &token, &len) == JSON_FOUND) {
		if (len > 512 || strpbrk(token, "\r\n") != NULL)
			return e2b_fail(b, E2B_PROTOCOL, "a token", e);
		(void)snprintf(b->token, sizeof(b->token), "X-Access-Token: %s",
		    token);
	}
	if (json_get_string(o, "domain", &domain, &len) != JSON_FOUND ||
	    len == 0)
		domain = b->set->domain;
	return set_address(b, domain, e);
}

static int
read_json(struct e2b *b, const struct net_response *rs, struct json_object **o,
    struct err *e)
{
	*o = NULL;
	if (rs->body.len == 0 ||
	    json_read(o, rs->body.data, rs->body.len, e) == -1)
		return e2b_fail(b, E2B_PROTOCOL, "an answer that is no JSON",
		    e);
	return 0;
}

static int
read_sandbox(struct e2b *b, const struct net_response *rs, struct err *e)
{
	struct json_object *o;
	int rc = -1;

	if (read_json(b, rs, &o, e) == 0)
		rc = take_sandbox(b, o, e);
	json_free(o);
	return rc;
}

static void
write_create(const struct e2b *b, struct buf *body, const char *nonce,
    unsigned int life_s)
{
	const struct sandbox_e2b *s = b->set;
	struct json_out j;
	char number[24];

	json_start(&j, body);
	json_open(&j);
	json_name_text(&j, "templateID", s->template_id);
	json_name_int(&j, "timeout", life_s);
	if (b->v1)
		json_name_bool(&j, "secure", true);
	json_name(&j, "metadata");
	json_open(&j);
	json_name_text(&j, "app", E2B_APP);
	json_name_text(&j, "deployment", s->deployment);
	(void)snprintf(number, sizeof(number), "%lld", (long long)s->task_id);
	json_name_text(&j, "task", number);
	(void)snprintf(number, sizeof(number), "%u", s->attempt);
	json_name_text(&j, "attempt", number);
	json_name_text(&j, "nonce", nonce);
	json_close(&j);
	json_close(&j);
}

/* True if the route is not there, as with older control planes (2.3). */
static bool
no_such_route(const struct e2b *b, const struct net_response *rs)
{
	return !b->v1 && b->trouble == E2B_ABSENT &&
	    (rs->status == 404 || rs->status == 405);
}

/* A refusal: nothing was made. All else may have made one. */
static bool
is_refusal(const struct net_response *rs)
{
	return rs->status == 503 || (rs->status >= 400 && rs->status <= 499);
}

int
e2b_make(struct e2b *b, const char *nonce, unsigned int life_s,
    int *retry_after_s, bool *unclear, struct err *e)
{
	struct buf body = BUF(4096);
	struct net_response rs = { 0 };
	struct e2b_request rq = { .face = E2B_CREATE,
		.method = "POST",
		.type = JSON_TYPE,
		.max_body = ANSWER_MAX,
		.timeout_ms = (int)b->set->create_limit_s * 1000,
		.once = true };
	bool again;
	int rc;

	do {
		buf_reset(&body);
		net_response_clear(&rs);
		write_create(b, &body, nonce, life_s);
		rq.path = b->v1 ? "/sandboxes" : "/v2/sandboxes";
		rq.body = body.data;
		rq.body_len = body.len;
		rc = e2b_ask(b, &rq, &rs, e);
		again = rc == -1 && no_such_route(b, &rs);
		b->v1 = b->v1 || again;
	} while (again);
	*retry_after_s = rs.retry_after_s;
	*unclear = rc == -1 && rs.sent && !is_refusal(&rs);
	if (rc == -1 && b->trouble == E2B_ABSENT)
		rc = e2b_fail(b, E2B_PROTOCOL,
		    "it has no way to make sandboxes", e);
	if (rc == 0 && (rc = read_sandbox(b, &rs, e)) == -1)
		*unclear = true;
	net_response_clear(&rs);
	buf_clear(&body);
	return rc;
}

int
e2b_look(struct e2b *b, bool *paused, struct err *e)
{
	char path[E2B_ID_MAX + 32];
	const struct e2b_request rq = { .face = E2B_CONTROL,
		.method = "GET",
		.path = path,
		.max_body = ANSWER_MAX };
	struct net_response rs;
	struct json_object *o = NULL;
	const char *state;
	size_t len;
	int rc = -1;

	(void)snprintf(path, sizeof(path), "/sandboxes/%s", b->id);
	if (e2b_ask(b, &rq, &rs, e) == 0 && read_json(b, &rs, &o, e) == 0)
		rc = take_sandbox(b, o, e);
	if (rc == 0)
		*paused =
		    json_get_string(o, "state", &state, &len) == JSON_FOUND &&
		    strcmp(state, "paused") == 0;
	json_free(o);
	net_response_clear(&rs);
	return rc;
}

/* POST to a path of the sandbox with {"timeout":S}. */
static int
post_timeout(struct e2b *b, const char *path, unsigned int life_s,
    struct net_response *rs, struct err *e)
{
	char body[40];
	const struct e2b_request rq = { .face = E2B_CONTROL,
		.method = "POST",
		.path = path,
		.type = JSON_TYPE,
		.body = body,
		.body_len = (size_t)snprintf(body, sizeof(body),
		    "{\"timeout\":%u}", life_s),
		.max_body = ANSWER_MAX };

	return e2b_ask_again(b, &rq, rs, e);
}

int
e2b_renew(struct e2b *b, unsigned int life_s, struct err *e)
{
	char path[E2B_ID_MAX + 32];
	int64_t now = clock_mono_ms();
	struct net_response rs;
	int rc;

	(void)snprintf(path, sizeof(path), "/sandboxes/%s/timeout", b->id);
	rc = post_timeout(b, path, life_s, &rs, e);
	if (rc == 0)
		b->ends_ms = now + (int64_t)life_s * 1000;
	net_response_clear(&rs);
	return rc;
}

/* Attaches to it, which resumes a paused one; never shortens its life. */
int
e2b_wake(struct e2b *b, unsigned int life_s, struct err *e)
{
	char path[E2B_ID_MAX + 32];
	int64_t left = (b->ends_ms - clock_mono_ms()) / 1000;
	struct net_response rs;
	int rc;

	if (life_s == 0)
		life_s = left < 60 ? 60 : (unsigned int)left;
	(void)snprintf(path, sizeof(path), "%s/sandboxes/%s/connect",
	    b->v1 ? "" : "/v2", b->id);
	if ((rc = post_timeout(b, path, life_s, &rs, e)) == 0)
		rc = read_sandbox(b, &rs, e);
	net_response_clear(&rs);
	return rc;
}

int
e2b_kill_id(struct e2b *b, const char *id, struct err *e)
{
	char path[E2B_ID_MAX + 32];
	const struct e2b_request rq = { .face = E2B_CONTROL,
		.method = "DELETE",
		.path = path,
		.max_body = ANSWER_MAX,
		.timeout_ms = KILL_CALL_MS };
	struct net_response rs;
	int rc;

	(void)snprintf(path, sizeof(path), "/sandboxes/%s", id);
	rc = e2b_ask_again(b, &rq, &rs, e);
	net_response_clear(&rs);
	if (rc == -1 && b->trouble == E2B_GONE)
		return 1;
	return rc;
}

int
e2b_kill(struct e2b *b, struct err *e)
{
	if (e2b_kill_id(b, b->id, e) == -1)
		return -1;
	b->dead = true;
	return 0;
}

/*
 * A pause that was refused, or whose answer was lost or bad, may have been done
 * all the same (2.9): the state decides.
 */
int
e2b_suspend(struct e2b *b, struct err *e)
{
	char path[E2B_ID_MAX + 32];
	const struct e2b_request rq = { .face = E2B_CONTROL,
		.method = "POST",
		.path = path,
		.type = JSON_TYPE,
		.body = "{}",
		.body_len = 2,
		.max_body = ANSWER_MAX,
		.timeout_ms = PAUSE_CALL_MS };
	struct net_response rs;
	struct err why, unread = { 0 };
	bool paused = false;
	int rc;

	(void)snprintf(path, sizeof(path), "/sandboxes/%s/pause", b->id);
	rc = e2b_ask(b, &rq, &rs, e);
	net_response_clear(&rs);
	if (rc == 0 || b->trouble == E2B_GONE || b->trouble == E2B_KEY)
		return rc;
	why = *e;
	if (e2b_look(b, &paused, &unread) == -1) {
		*e = unread;
		return -1;
	}
	if (paused)
		return 0;
	*e = why;
	return -1;
}
