#include "store/test_user.h"

#include <stdio.h>

#include "util/clock.h"

#define COLUMNS                                                        \
	"id, COALESCE(email, ''), created_at, expires_at, updated_at," \
	" COALESCE(preferences, '{}')"
#define LIST_MAX "10000"

_Static_assert(TEST_USER_LIFE_H == 1, "the statement's hour");

static void
time_of(char out[40], struct db_rows *rows, unsigned int i)
{
	const char *text;
	size_t len;

	out[0] = '\0';
	if (db_col_null(rows, i))
		return;
	text = db_col_bytes(rows, i, &len);
	clock_text_of_db(out, text, len);
}

static void
fill(struct test_user *u, struct db_rows *rows)
{
	(void)snprintf(u->id, sizeof(u->id), "%s", db_col_text(rows, 0));
	(void)snprintf(u->email, sizeof(u->email), "%s", db_col_text(rows, 1));
	time_of(u->created_at, rows, 2);
	time_of(u->expires_at, rows, 3);
	time_of(u->updated_at, rows, 4);
	(void)snprintf(u->preferences, sizeof(u->preferences), "%s",
	    db_col_text(rows, 5));
}

/* The only row of a query; 1, 0 or -1. */
static int
one(struct db_rows *rows, struct test_user *u, struct err *e)
{
	int got = db_next(rows, e);

	if (got == 1)
		fill(u, rows);
	db_rows_end(rows);
	return got;
}

int
test_user_find(struct db *db, const char *id, struct test_user *u,
    struct err *e)
{
	const struct db_arg args[] = { db_arg_text(id) };
	struct db_rows *rows;
	int got;

	if (db_query(db,
		"SELECT " COLUMNS " FROM users WHERE id = ? AND is_test_user",
		DB_ARGS(args), &rows, e) == -1)
		return -1;
	if ((got = one(rows, u, e)) == 0)
		return err_set(e, ERR_ABSENT, "Test user not found");
	return got == 1 ? 0 : -1;
}

int
test_user_at(struct db *db, const char *email, bool expired,
    struct test_user *u, struct err *e)
{
	const struct db_arg args[] = { db_arg_text(email),
		db_arg_int(expired) };
	struct db_rows *rows;

	if (db_query(db,
		"SELECT " COLUMNS " FROM users WHERE email = ? AND is_test_user"
		" AND (expires_at <= UTC_TIMESTAMP(6)) = ? LIMIT 1",
		DB_ARGS(args), &rows, e) == -1)
		return -1;
	return one(rows, u, e);
}

int
test_user_add(struct db *db, const char *id, const char *email,
    struct test_user *made, struct err *e)
{
	const struct db_arg args[] = { db_arg_text(id), db_arg_text(email) };

	if (db_exec(db,
		"INSERT INTO users"
		" (id, email, is_test_user, created_at, expires_at)"
		" SELECT ?, ?, 1, n, n + INTERVAL 1 HOUR"
		" FROM (SELECT UTC_TIMESTAMP(6) AS n) AS now",
		DB_ARGS(args), NULL, e) == -1)
		return -1;
	return test_user_find(db, id, made, e);
}

int
test_user_list(struct db *db, bool expired, test_user_fn *fn, void *ctx,
    struct err *e)
{
	const struct db_arg args[] = { db_arg_int(!expired) };
	struct test_user u;
	struct db_rows *rows;
	int got;

	if (db_query(db,
		"SELECT " COLUMNS " FROM users WHERE is_test_user"
		" AND (? OR expires_at <= UTC_TIMESTAMP(6))"
		" ORDER BY created_at DESC, id LIMIT " LIST_MAX,
		DB_ARGS(args), &rows, e) == -1)
		return -1;
	while ((got = db_next(rows, e)) == 1) {
		fill(&u, rows);
		if (fn(ctx, &u, e) == -1) {
			got = -1;
			break;
		}
	}
	db_rows_end(rows);
	return got;
}
