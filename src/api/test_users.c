/*
 * /api/test-users: accounts for automated tests, contract 7. In production the
 * routes do not exist (routes.c); else they need TEST_USERS, and a client on
 * this machine or one that knows the secret (D28).
 */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/account.h"
#include "store/test_user.h"
#include "util/clock.h"

#define DEFAULT_EMAIL "test@asynccode.test"
#define TLD ".test"
#define CLEANUP_MAX 1000

static bool
knows_secret(const struct call *c)
{
	const char *secret = c->api->cfg->test_users_secret;
	uint8_t want[SHA256_BYTES], got[SHA256_BYTES];

	if (secret[0] == '\0')
		return false;
	/* By hashes: equal lengths, compared in constant time. */
	sha256(want, secret, strlen(secret));
	sha256(got, c->rq->test_users_secret, strlen(c->rq->test_users_secret));
	return sodium_memcmp(want, got, sizeof(want)) == 0;
}

/* True when the request may go on; else it is answered. */
static bool
may(struct call *c)
{
	if (c->api->cfg->test_users && (call_is_local(c) || knows_secret(c)))
		return true;
	call_refuse(c, 403, "Test user endpoints are not enabled");
	return false;
}

/* "2025-06-14T10:11:12.123456Z": always six digits (contract 1.5). */
static void
name_time(struct json_out *j, const char *name, const char *row_time)
{
	char text[CLOCK_TEXT + 8];
	const char *dot = strchr(row_time, '.');
	int digits = dot != NULL ? (int)strspn(dot + 1, "0123456789") : 0;

	if (strlen(row_time) < 19) {
		json_name_null(j, name);
		return;
	}
	(void)snprintf(text, sizeof(text), "%.19s.%.*s%.*sZ", row_time, digits,
	    dot != NULL ? dot + 1 : "", 6 - digits, "000000");
	json_name_text(j, name, text);
}

/* ----------------------------------------------------------------- create */

struct asked {
	const char *email;
	char id[UUID_TEXT];
	struct json_object *metadata; /* NULL: none */
};

static int
check_email(const char *email, struct err *e)
{
	size_t len = strlen(email);

	if (strchr(email, '@') == NULL || len > EMAIL_MAX)
		return err_set(e, ERR_INVALID, "Invalid email format");
	if (len < sizeof(TLD) - 1 ||
	    strcmp(email + len - (sizeof(TLD) - 1), TLD) != 0)
		return err_set(e, ERR_INVALID,
		    "Test user email must use .test TLD for safety");
	return 0;
}

static int
read_asked(struct call *c, struct asked *a, struct err *e)
{
	struct body_text email, id;

	/* A missing body is fine (D29), of whatever type. */
	if (c->rq->body_len > 0 &&
	    body_read(&c->body, c->rq->body, c->rq->body_len, e) == -1)
		return -1;
	if (body_string(c->body, "email", &email, e) == -1 ||
	    body_string(c->body, "user_id", &id, e) == -1)
		return -1;
	a->email = email.len > 0 ? email.s : DEFAULT_EMAIL;
	if (id.len == 0 || !uuid_read(a->id, id.s))
		uuid_new(a->id);
	if (!json_member_falsy(c->body, "metadata") &&
	    json_get_object(c->body, "metadata", &a->metadata) != JSON_FOUND)
		return err_set(e, ERR_INVALID, "metadata must be an object");
	return check_email(a->email, e);
}

/* What the service says, and behind it what the client added. */
static void
put_metadata(struct json_out *j, struct json_object *given)
{
	const char *name;

	json_name(j, "metadata");
	json_open(j);
	if (!json_has(given, "is_test_user"))
		json_name_bool(j, "is_test_user", true);
	if (!json_has(given, "created_by"))
		json_name_text(j, "created_by", "test_user_service");
	if (!json_has(given, "ttl_hours"))
		json_name_int(j, "ttl_hours", TEST_USER_LIFE_H);
	for (size_t i = 0;
	     given != NULL && (name = json_member_name(given, i)) != NULL;
	     i++) {
		json_name(j, name);
		json_value(j, json_member(given, name));
	}
	json_close(j);
}

static int
put_tokens(struct call *c, struct json_out *j, const char *user_id,
    const char *email, struct err *e)
{
	struct tokens t = TOKENS_EMPTY;
	struct user_row row;
	int rc = -1;

	if (user_find_by_id(c->api->db, user_id, &row, e) == -1)
		goto out;
	memcpy(c->user_id, user_id, sizeof(c->user_id));
	sign_in_begin(c, row.epoch);
	if (tokens_issue(c, email, true, &t, e) == -1)
		goto out;
	json_name(j, "tokens");
	json_open(j);
	json_name_string(j, "access_token", t.access.data, t.access.len);
	json_name_string(j, "refresh_token", t.refresh.data, t.refresh.len);
	json_close(j);
	rc = 0;
out:
	tokens_wipe(&t);
	return rc;
}

static int
answer_made(struct call *c, const struct test_user *u, const struct asked *a,
    struct err *e)
{
	struct json_out j;

	json_start(&j, &c->rs->body);
	json_open(&j);
	json_name(&j, "user");
	json_open(&j);
	json_name_text(&j, "id", u->id);
	json_name_text(&j, "email", u->email);
	name_time(&j, "created_at", u->created_at);
	put_metadata(&j, a->metadata);
	name_time(&j, "expires_at", u->expires_at);
	json_close(&j);
	if (put_tokens(c, &j, u->id, u->email, e) == -1)
		return -1;
	json_close(&j);
	c->rs->status = 201;
	return 0;
}

/* Deletes one that has expired; that somebody else was quicker is fine. */
static int
delete_expired(struct call *c, const char *id, struct err *e)
{
	if (user_delete(c->api->db, id, e) == -1)
		return e->kind == ERR_ABSENT ? 0 : -1;
	call_note(c, "test-user-delete", id, "expired");
	return 0;
}

/* Of those with this address: one that lives is in the way, others go. */
static int
make_room(struct call *c, const char *email, struct err *e)
{
	struct test_user old;
	int got;

	if ((got = test_user_at(c->api->db, email, false, &old, e)) == -1)
		return -1;
	if (got == 1)
		return err_set(e, ERR_CONFLICT, "the address is in use");
	while ((got = test_user_at(c->api->db, email, true, &old, e)) == 1) {
		if (delete_expired(c, old.id, e) == -1)
			return -1;
		poke_send(c->api->poke); /* it may have had tasks that run */
	}
	return got;
}

/* POST /api/test-users */
int
test_user_post(struct call *c, struct err *e)
{
	struct asked a = { 0 };
	struct test_user made;

	if (!may(c))
		return 0;
	if (read_asked(c, &a, e) == -1)
		return -1;
	if (make_room(c, a.email, e) == -1 ||
	    test_user_add(c->api->db, a.id, a.email, &made, e) == -1) {
		if (e->kind != ERR_CONFLICT)
			return -1;
		return call_refuse(c, 409,
		    "A test user with this email or id exists");
	}
	call_note(c, "test-user-add", made.id, made.email);
	return answer_made(c, &made, &a, e);
}

/* ------------------------------------------------------------------- list */

/* A whole row of users, of which most columns are NULL. */
static int
put_row(void *ctx, const struct test_user *u, struct err *e)
{
	static const char *const empty[] = { "full_name", "avatar_url",
		"github_username", "github_token" };
	struct json_out *j = ctx;

	(void)e;
	json_open(j);
	json_name_text(j, "id", u->id);
	json_name_text(j, "email", u->email);
	for (size_t i = 0; i < sizeof(empty) / sizeof(empty[0]); i++)
		json_name_null(j, empty[i]);
	json_name(j, "preferences");
	json_raw(j, u->preferences, strlen(u->preferences));
	json_name_text(j, "created_at", u->created_at);
	json_name_text(j, "updated_at", u->updated_at);
	json_name_bool(j, "is_test_user", true);
	json_name_text(j, "expires_at", u->expires_at);
	json_close(j);
	return 0;
}

/* GET /api/test-users */
int
test_users_read(struct call *c, struct err *e)
{
	struct json_out j;

	if (!may(c))
		return 0;
	json_start(&j, &c->rs->body);
	json_open(&j);
	json_name(&j, "users");
	json_open_array(&j);
	if (test_user_list(c->api->db, false, put_row, &j, e) == -1)
		return -1;
	json_close_array(&j);
	json_close(&j);
	return 0;
}

/* ----------------------------------------------------------------- delete */

/* Whom the path names; what is no UUID is nobody. */
static int
find_named(struct call *c, struct test_user *u, struct err *e)
{
	const char *at = c->rq->path + sizeof("/api/test-users/") - 1;
	int len = (int)strcspn(at, "/");
	char text[UUID_TEXT], id[UUID_TEXT];

	(void)snprintf(text, sizeof(text), "%.*s", len, at);
	if (len >= UUID_TEXT || !uuid_read(id, text))
		return err_set(e, ERR_ABSENT, "Test user not found");
	return test_user_find(c->api->db, id, u, e);
}

/* DELETE /api/test-users/<name> */
int
test_user_delete(struct call *c, struct err *e)
{
	struct test_user u;
	struct json_out j;

	if (!may(c))
		return 0;
	if (find_named(c, &u, e) == -1 ||
	    user_delete(c->api->db, u.id, e) == -1)
		return -1;
	poke_send(c->api->poke);
	call_note(c, "test-user-delete", u.id, u.email);
	json_start(&j, &c->rs->body);
	json_open(&j);
	json_name_text(&j, "message", "Test user deleted successfully");
	json_close(&j);
	return 0;
}

/* Ids, since while rows are read nothing can be deleted. */
struct expired {
	size_t count;
	char ids[CLEANUP_MAX][UUID_TEXT];
};

static int
remember(void *ctx, const struct test_user *u, struct err *e)
{
	struct expired *x = ctx;

	(void)e;
	if (x->count < CLEANUP_MAX)
		memcpy(x->ids[x->count++], u->id, UUID_TEXT);
	return 0;
}

static int
delete_all(struct call *c, const struct expired *x, struct err *e)
{
	for (size_t i = 0; i < x->count; i++)
		if (delete_expired(c, x->ids[i], e) == -1)
			return -1;
	poke_send(c->api->poke);
	return 0;
}

static void
answer_cleaned(struct call *c, const struct expired *x)
{
	char text[64];
	struct json_out j;

	(void)snprintf(text, sizeof(text), "Cleaned up %zu expired test users",
	    x->count);
	json_start(&j, &c->rs->body);
	json_open(&j);
	json_name_text(&j, "message", text);
	json_name(&j, "deleted_users");
	json_open_array(&j);
	for (size_t i = 0; i < x->count; i++)
		json_text(&j, x->ids[i]);
	json_close_array(&j);
	json_close(&j);
}

/* POST /api/test-users/cleanup */
int
test_cleanup_post(struct call *c, struct err *e)
{
	struct expired *x;
	int rc = -1;

	if (!may(c))
		return 0;
	if ((x = calloc(1, sizeof(*x))) == NULL)
		return err_sys(e, ERR_RETRY, "clean-up");
	if (test_user_list(c->api->db, true, remember, x, e) == -1 ||
	    delete_all(c, x, e) == -1)
		goto out;
	answer_cleaned(c, x);
	rc = 0;
out:
	free(x);
	return rc;
}

/* POST /api/test-users/<name>/token */
int
test_token_post(struct call *c, struct err *e)
{
	struct test_user u;
	struct json_out j;

	if (!may(c))
		return 0;
	if (find_named(c, &u, e) == -1)
		return -1;
	call_note(c, "test-user-token", u.id, u.email);
	json_start(&j, &c->rs->body);
	json_open(&j);
	if (put_tokens(c, &j, u.id, u.email, e) == -1)
		return -1;
	json_close(&j);
	return 0;
}

/* GET /api/test-users/health: asked before all others, so it says more. */
int
test_health_read(struct call *c, struct err *e)
{
	const bool on = c->api->cfg->test_users;
	struct json_out j;

	(void)e;
	json_start(&j, &c->rs->body);
	json_open(&j);
	json_name_bool(&j, "healthy", true);
	json_name_bool(&j, "test_mode_enabled", on);
	json_name_bool(&j, "service_initialized", on);
	json_close(&j);
	return 0;
}
