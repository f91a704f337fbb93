#include "cmd/cmd.h"

#include <stdio.h>
#include <sysexits.h>

#include "cmd/admin.h"
#include "cmd/listing.h"
#include "cmd/options.h"
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
	listing_name_text(j, "user_id", a->user_id);
	json_name_text(j, "actor", a->actor);
	listing_name_text(j, "address", a->address);
	listing_name_text(j, "request_id", a->request_id);
	json_name_text(j, "detail", a->detail);
	json_close(j);
	return 0;
}

static int
list(struct admin *a, const struct audit_args *args, struct err *e)
{
	const char *user_id = NULL;
	struct listing l;
	struct user_row u;
	struct json_out *j;

	if (args->user != NULL) {
		if (admin_find_user(a, args->user, &u, e) == -1)
			return -1;
		user_id = u.id;
	}
	j = listing_begin(&l, args->json);
	return listing_end(&l,
	    audit_list(a->db, user_id, args->limit, print_row, j, e), e);
}

#define AT(field) offsetof(struct audit_args, field)

static const struct option_row rows[] = {
	{ "config", OPTION_TEXT, AT(config), 0, 0, 0 },
	{ "user", OPTION_TEXT, AT(user), 0, 0, 0 },
	{ "limit", OPTION_NUMBER, AT(limit), 0, 1, LIMIT_MAX },
	{ "json", OPTION_FLAG, AT(json), 0, 0, 0 },
};

int
cmd_audit(int argc, char **argv)
{
	static const struct command_line line = COMMAND_LINE(usage, rows);
	struct audit_args args = { .limit = LIMIT_DEFAULT };
	struct err e = { 0 };
	struct admin a;
	int rc, status;

	if (!options_read_all(&line, &args, argc, argv, &status))
		return status;
	if (admin_open(&a, args.config, &e) == -1)
		return cmd_fail("audit", &e);
	rc = list(&a, &args, &e);
	admin_close(&a);
	return rc == -1 ? cmd_fail("audit", &e) : EX_OK;
}
