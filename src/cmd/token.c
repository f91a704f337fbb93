#include "cmd/cmd.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "auth/api_token.h"
#include "auth/jwt.h"
#include "cmd/admin.h"
#include "cmd/listing.h"
#include "cmd/options.h"
#include "store/account.h"
#include "util/encode.h"
#include "util/json.h"
#include "util/utf8.h"

static const char usage[] =
    "usage: taskmill token add --name NAME [--expires DAYS] [--scope read|write]\n"
    "                          [--json] ADDRESS|ID\n"
    "       taskmill token list [--json] ADDRESS|ID\n"
    "       taskmill token revoke NUMBER\n"
    "       taskmill token revoke --refresh\n"
    "       taskmill token issue [--minutes N] ADDRESS|ID\n\n"
    "options for all: --config FILE\n\n"
    "add makes a personal API token, shown this once, for programs: it is sent\n"
    "as \"Authorization: Bearer tm_...\". With --scope read it only reads. list\n"
    "shows a user's, with the numbers that revoke takes. revoke --refresh reads\n"
    "a refresh token from standard input instead. issue prints an access token\n"
    "good for N minutes (1 to 1440; default JWT_ACCESS_TOKEN_EXPIRE_MINUTES),\n"
    "which cannot be revoked. To end all of a user's sessions, set a new\n"
    "password or disable the user (taskmill user).\n";

#define NAME_MAX_CHARS 100
#define DAYS_MAX 3650

struct token_args {
	const char *config;
	long minutes; /* 0: as configured */
	long days;    /* 0: does not expire */
	const char *name;
	const char *scope;
	bool refresh;
	bool json;
	const char *who; /* the operand, or NULL */
};

static void
key_of(const struct config *c, struct jwt_key *key)
{
	key->secret = c->jwt_secret;
	key->secret_len = strlen(c->jwt_secret);
	key->leeway_s = (int)c->jwt_leeway_s;
}

static int
token_cmd_issue(struct admin *a, const struct token_args *args, struct err *e)
{
	long minutes =
	    args->minutes != 0 ? args->minutes : a->cfg.jwt_access_minutes;
	struct jwt_claims claims = { .type = JWT_ACCESS };
	struct buf token = BUF(8192);
	char detail[UUID_TEXT + 60];
	struct user_row u;
	struct jwt_key key;
	int rc = -1;

	if (admin_find_user(a, args->who, &u, e) == -1)
		return -1;
	if (u.disabled)
		return err_set(e, ERR_DENIED,
		    "%s is disabled; taskmill user enable %s", args->who,
		    args->who);
	key_of(&a->cfg, &key);
	(void)snprintf(claims.user_id, sizeof(claims.user_id), "%s", u.id);
	claims.email = u.email;
	if (jwt_issue(&token, &claims, &key, minutes * 60, e) == -1)
		goto out;
	if (!buf_ok(&token)) {
		err_set(e, ERR_RETRY, "out of memory");
		goto out;
	}
	(void)snprintf(detail, sizeof(detail), "access token %s, %ld minutes",
	    claims.jti, minutes);
	if (admin_audit(a, "token-issue", u.id, detail, e) == -1)
		goto out;
	(void)puts(token.data);
	rc = 0;
out:
	buf_wipe(&token);
	return rc;
}

static int
revoke_refresh(struct admin *a, const struct token_args *args, struct err *e)
{
	char token[8192];
	uint8_t hash[SHA256_BYTES];
	struct jwt_claims claims;
	struct jwt_text text;
	struct jwt_want want;
	struct jwt_key key;
	int rc = -1;

	(void)args;
	key_of(&a->cfg, &key);
	want = (struct jwt_want){ .key = &key, .type = JWT_REFRESH };
	if (secret_input(token, sizeof(token), "Refresh token", e) == -1)
		return err_wrap(e, "token");
	text = (struct jwt_text){ .text = token, .len = strlen(token) };
	if (jwt_verify(&claims, &want, &text, e) == -1)
		goto out;
	sha256(hash, claims.jti, strlen(claims.jti));
	if (refresh_token_revoke(a->db, hash, e) == -1 ||
	    admin_audit(a, "token-revoke", claims.user_id, "refresh token",
		e) == -1)
		goto out;
	(void)printf("revoked a token of %s\n", claims.user_id);
	rc = 0;
out:
	explicit_bzero(token, sizeof(token));
	return rc;
}

static void
print_added(const struct token_args *args, int64_t id, const char *token)
{
	struct buf b = BUF(4096);
	struct json_out j;

	if (!args->json) {
		(void)puts(token);
		return;
	}
	json_start(&j, &b);
	json_open(&j);
	json_name_int(&j, "id", id);
	json_name_text(&j, "name", args->name);
	json_name_text(&j, "token", token);
	json_close(&j);
	if (buf_ok(&b))
		(void)puts(b.data);
	buf_wipe(&b);
}

static int
check_add(const struct token_args *args, struct err *e)
{
	if (args->name == NULL || args->name[0] == '\0' ||
	    !utf8_valid(args->name, strlen(args->name)) ||
	    utf8_length(args->name, strlen(args->name)) > NAME_MAX_CHARS)
		return err_set(e, ERR_INVALID,
		    "--name needs 1 to %d characters", NAME_MAX_CHARS);
	if (args->scope != NULL && strcmp(args->scope, "read") != 0 &&
	    strcmp(args->scope, "write") != 0)
		return err_set(e, ERR_INVALID, "--scope is read or write");
	return 0;
}

static int
token_cmd_add(struct admin *a, const struct token_args *args, struct err *e)
{
	uint8_t hash[SHA256_BYTES];
	char token[API_TOKEN_TEXT];
	struct api_token_new t;
	struct user_row u;
	int64_t id;
	int rc = -1;

	if (check_add(args, e) == -1 ||
	    admin_find_user(a, args->who, &u, e) == -1)
		return -1;
	api_token_make(token, hash);
	t = (struct api_token_new){ .hash = hash,
		.user_id = u.id,
		.name = args->name,
		.read_only =
		    args->scope != NULL && strcmp(args->scope, "read") == 0,
		.days = args->days };
	if (api_token_add(a->db, &t, &id, e) == -1)
		goto out;
	/* Shown in any case: it is there now, and there is no second time. */
	print_added(args, id, token);
	if (admin_audit(a, "token-add", u.id, args->name, e) == -1)
		goto out;
	rc = 0;
out:
	explicit_bzero(token, sizeof(token));
	return rc;
}

static int
list_row(void *ctx, const struct api_token_row *t, struct err *e)
{
	struct json_out *j = ctx;

	(void)e;
	if (j == NULL) {
		(void)printf(
		    "%4lld  %-7s  %-5s  used %-25s  expires %-32s  %s\n",
		    (long long)t->id, t->revoked ? "revoked" : "active",
		    t->read_only ? "read" : "write",
		    t->last_used_at[0] != '\0' ? t->last_used_at : "never",
		    t->expires_at[0] != '\0' ? t->expires_at : "never",
		    t->name);
		return 0;
	}
	json_open(j);
	json_name_int(j, "id", t->id);
	json_name_text(j, "name", t->name);
	json_name_text(j, "scope", t->read_only ? "read" : "write");
	json_name_bool(j, "revoked", t->revoked);
	listing_name_text(j, "created_at", t->created_at);
	listing_name_text(j, "expires_at", t->expires_at);
	listing_name_text(j, "last_used_at", t->last_used_at);
	json_close(j);
	return 0;
}

static int
token_cmd_list(struct admin *a, const struct token_args *args, struct err *e)
{
	struct listing l;
	struct user_row u;
	struct json_out *j;

	if (admin_find_user(a, args->who, &u, e) == -1)
		return -1;
	j = listing_begin(&l, args->json);
	return listing_end(&l, api_token_list(a->db, u.id, list_row, j, e), e);
}

static int
token_cmd_revoke(struct admin *a, const struct token_args *args, struct err *e)
{
	char user_id[UUID_TEXT], detail[40];
	long id;

	if (args->refresh)
		return revoke_refresh(a, args, e);
	if (args->who == NULL || !options_number(args->who, 1, LONG_MAX, &id))
		return err_set(e, ERR_INVALID,
		    "revoke needs the number that list shows, or --refresh");
	(void)snprintf(detail, sizeof(detail), "API token %ld", id);
	if (api_token_revoke(a->db, id, user_id, e) == -1 ||
	    admin_audit(a, "token-revoke", user_id, detail, e) == -1)
		return -1;
	(void)printf("revoked a token of %s\n", user_id);
	return 0;
}

static const struct {
	struct action is;
	int (*run)(struct admin *a, const struct token_args *args,
	    struct err *e);
} actions[] = {
	{ { "add", 1, 1 }, token_cmd_add },
	{ { "list", 1, 1 }, token_cmd_list },
	{ { "revoke", 0, 1 }, token_cmd_revoke },
	{ { "issue", 1, 1 }, token_cmd_issue },
};

#define AT(field) offsetof(struct token_args, field)

static const struct option_row rows[] = {
	{ "config", OPTION_TEXT, AT(config), 0, 0, 0 },
	{ "minutes", OPTION_NUMBER, AT(minutes), 0, 1, 1440 },
	{ "name", OPTION_TEXT, AT(name), 0, 0, 0 },
	{ "expires", OPTION_NUMBER, AT(days), 0, 1, DAYS_MAX },
	{ "scope", OPTION_TEXT, AT(scope), 0, 0, 0 },
	{ "refresh", OPTION_FLAG, AT(refresh), 0, 0, 0 },
	{ "json", OPTION_FLAG, AT(json), 0, 0, 0 },
};

int
cmd_token(int argc, char **argv)
{
	static const struct command_line line = COMMAND_LINE(usage, rows);
	struct token_args args = { 0 };
	struct err e = { 0 };
	struct admin a;
	int i, rc, status;

	if (!options_read(&line, &args, argc, argv, &status))
		return status;
	if ((i = ACTION_FIND(actions, argc, argv, usage)) == -1)
		return EX_USAGE;
	args.who = argv[optind + 1];
	/* --refresh stands in for the one operand that revoke has. */
	if (args.refresh &&
	    (actions[i].run != token_cmd_revoke || args.who != NULL))
		return cmd_usage(usage);
	if (admin_open(&a, args.config, &e) == -1)
		return cmd_fail("token", &e);
	rc = actions[i].run(&a, &args, &e);
	admin_close(&a);
	return rc == -1 ? cmd_fail("token", &e) : EX_OK;
}
