#ifndef CMD_ADMIN_H
#define CMD_ADMIN_H

#include <getopt.h>
#include <stdbool.h>

#include "config/config.h"
#include "db/db.h"
#include "store/user.h"
#include "util/err.h"

/*
 * admin: what the administrator's commands (migrate, user, token, check,
 * keygen) begin and end with.
 */
struct admin {
	struct config cfg;
	struct db *db;
};

/*
 * Loads the configuration (config_path NULL: where config_load() looks) and
 * makes a database handle; nothing is connected yet. On -1 nothing is left.
 */
int admin_open(struct admin *a, const char *config_path,
    struct err *e) MUST_CHECK;
void admin_close(struct admin *a); /* takes a zeroed struct */

/* For who works for long and needs the database now and then: away with its
 * connection, and another handle. */
void admin_disconnect(struct admin *a);
int admin_connect(struct admin *a, struct err *e) MUST_CHECK;

/* ERR_INVALID: the database is older than this program. */
int admin_check_schema(struct admin *a, struct err *e) MUST_CHECK;

/*
 * The same for a service that begins. A database that is away is no reason not
 * to: requests and /readyz say so, until it is there.
 */
int service_check_schema(const struct config *c, struct err *e) MUST_CHECK;

/* The user that a person named by id or e-mail address. */
int admin_find_user(struct admin *a, const char *who, struct user_row *u,
    struct err *e) MUST_CHECK;

/* Notes down what the administrator has done (store/audit.h). */
int admin_audit(struct admin *a, const char *kind, const char *user_id,
    const char *detail, struct err *e) MUST_CHECK;

/* "taskmill COMMAND: text" on standard error; the exit status for e's kind. */
int cmd_fail(const char *command, const struct err *e);

/* The same for wrong usage: prints the usage text; returns EX_USAGE. */
int cmd_usage(const char *usage);

/* cmd/secret_input.c: a secret from the terminal (without echo) or, where
 * standard input is none, its first line. out has room for size bytes. */
int secret_input(char *out, size_t size, const char *prompt,
    struct err *e) MUST_CHECK;

#endif
