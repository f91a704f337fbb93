#include "cmd/cmd.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "auth/jwt.h"
#include "cmd/admin.h"
#include "util/encode.h"

static const char usage[] =
    "usage: taskmill token issue [--minutes N] ADDRESS|ID\n"
    "       taskmill token revoke\n\n"
    "options for all: --config FILE\n\n"
    "issue prints an access token for a user, good for N minutes (1 to 1440;\n"
    "default JWT_ACCESS_TOKEN_EXPIRE_MINUTES). revoke reads a refresh token\n"
    "from standard input and makes it worthless; an access token cannot be\n"
    "revoked and ends by itself. To end all of a user's sessions, set a new\n"
    "password or disable the user (taskmill user).\n";

struct token_args {
	const char *config;
	long minutes; /* 0: as configured */
	const char *who;
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
	if (jwt_issue(&token, &claims, &key, minutes * 60, e) == -1)
		goto out;
	if (!buf_ok(&token)) {
		err_set(e, ERR_RETRY, "out of memory");
		goto out;
	}
	(void)puts(token.data);
	rc = 0;
out:
	buf_wipe(&token);
	return rc;
}

static int
token_cmd_revoke(struct admin *a, const struct token_args *args, struct err *e)
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
	if (refresh_token_revoke(a->db, hash, e) == -1)
		goto out;
	(void)printf("revoked a token of %s\n", claims.user_id);
	rc = 0;
out:
	explicit_bzero(token, sizeof(token));
	return rc;
}

static const struct {
	const char *name;
	bool operand;
	int (*run)(struct admin *a, const struct token_args *args,
	    struct err *e);
} actions[] = {
	{ "issue", true, token_cmd_issue },
	{ "revoke", false, token_cmd_revoke },
};

static int
run_action(size_t i, const struct token_args *args)
{
	struct err e = { 0 };
	struct admin a;
	int rc;

	if (admin_open(&a, args->config, &e) == -1)
		return cmd_fail("token", &e);
	rc = actions[i].run(&a, args, &e);
	admin_close(&a);
	return rc == -1 ? cmd_fail("token", &e) : EX_OK;
}

static bool
read_minutes(const char *text, long *minutes)
{
	char *end;

	*minutes = strtol(text, &end, 10);
	return end != text && *end == '\0' && *minutes >= 1 && *minutes <= 1440;
}

int
cmd_token(int argc, char **argv)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "minutes", required_argument, NULL, 'm' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	struct token_args args = { 0 };
	int left, o;

	while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (o == 'h') {
			(void)fputs(usage, stdout);
			return EX_OK;
		}
		if (o == 'c')
			args.config = optarg;
		else if (o != 'm' || !read_minutes(optarg, &args.minutes))
			return cmd_usage(usage);
	}
	left = argc - optind;
	if (left < 1)
		return cmd_usage(usage);
	for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++) {
		if (strcmp(argv[optind], actions[i].name) != 0)
			continue;
		if (left != (actions[i].operand ? 2 : 1))
			return cmd_usage(usage);
		args.who = actions[i].operand ? argv[optind + 1] : NULL;
		return run_action(i, &args);
	}
	return cmd_usage(usage);
}
