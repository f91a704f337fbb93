#include "cmd/cmd.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>

#include "cmd/admin.h"
#include "store/audit.h"
#include "util/json.h"

static const char usage[] =
    "usage: taskmill audit [--user ADDRESS|ID] [--limit N] [--json]\n"
    "                      [--config FILE]\n\n"
    "Shows who signed in or failed to, and what was done to accounts and\n"
    "tokens; the newest N (100), newest first.\n";

#define LIMIT_DEFAULT 100
#define LIMIT_MAX 100000

struct audit_args {
	const char *config;
	const char *user;
	long limit;
	bool json;
};

static const char *
or_dash(const char *text)
{
	return text[0] != '\0' ? text : "-";
}

/* What is NULL in the table is null here. */
static void
name_text(struct json_out *j, const char *name, const char *text)
{
	json_name_text(j, name, text[0] != '\0' ? text : NULL);
}

/* Details hold what clients sent: on a terminal they must not act. */
static void
print_plain(const char *text)
{
	for (const char *p = text; *p != '\0'; p++)
		(void)putchar(
		    (unsigned char)*p < 0x20 || *p == 0x7f ? '?' : *p);
}

static int
print_row(void *ctx, const struct audit_row *a, struct err *e)
{
	struct json_out *j = ctx;

	(void)e;
	if (j == NULL) {
		(void)printf("%-32s  %-16s  %-36s  %-9s  %-15s  ", a->at,
		    a->kind, or_dash(a->user_id), a->actor,
		    or_dash(a->address));
		print_plain(a->detail);
		(void)putchar('\n');
		return 0;
	}
	json_open(j);
	json_name_int(j, "id", a->id);
	json_name_text(j, "at", a->at);
	json_name_text(j, "kind", a->kind);
	name_text(j, "user_id", a->user_id);
	json_name_text(j, "actor", a->actor);
	name_text(j, "address", a->address);
	name_text(j, "request_id", a->request_id);
	json_name_text(j, "detail", a->detail);
	json_close(j);
	return 0;
}

static int
list(struct admin *a, const struct audit_args *args, struct err *e)
{
	struct buf b = BUF((size_t)256 << 20);
	const char *user_id = NULL;
	struct user_row u;
	struct json_out j;
	int rc = -1;

	if (args->user != NULL) {
		if (admin_find_user(a, args->user, &u, e) == -1)
			return -1;
		user_id = u.id;
	}
	if (!args->json)
		return audit_list(a->db, user_id, args->limit, print_row, NULL,
		    e);
	json_start(&j, &b);
	json_open_array(&j);
	if (audit_list(a->db, user_id, args->limit, print_row, &j, e) == -1)
		goto out;
	json_close_array(&j);
	if (!buf_ok(&b)) {
		err_set(e, ERR_RETRY, "out of memory");
		goto out;
	}
	(void)puts(b.data);
	rc = 0;
out:
	buf_clear(&b);
	return rc;
}

static bool
read_limit(const char *text, long *limit)
{
	char *end;

	*limit = strtol(text, &end, 10);
	return end != text && *end == '\0' && *limit >= 1 &&
	    *limit <= LIMIT_MAX;
}

static bool
read_option(int o, struct audit_args *args)
{
	switch (o) {
	case 'c':
		args->config = optarg;
		return true;
	case 'u':
		args->user = optarg;
		return true;
	case 'j':
		args->json = true;
		return true;
	case 'l':
		return read_limit(optarg, &args->limit);
	default:
		return false;
	}
}

int
cmd_audit(int argc, char **argv)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "user", required_argument, NULL, 'u' },
		{ "limit", required_argument, NULL, 'l' },
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	struct audit_args args = { .limit = LIMIT_DEFAULT };
	struct err e = { 0 };
	struct admin a;
	int o, rc;

	while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (o == 'h') {
			(void)fputs(usage, stdout);
			return EX_OK;
		}
		if (!read_option(o, &args))
			return cmd_usage(usage);
	}
	if (optind != argc)
		return cmd_usage(usage);
	if (admin_open(&a, args.config, &e) == -1)
		return cmd_fail("audit", &e);
	rc = list(&a, &args, &e);
	admin_close(&a);
	return rc == -1 ? cmd_fail("audit", &e) : EX_OK;
}
