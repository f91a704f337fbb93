#ifndef DB_DB_H
#define DB_DB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/err.h"

/*
 * db: one connection to MariaDB. MariaDB's own types end here.
 *
 * db_open() makes the handle; the connection itself is made by the first
 * statement, with the session set up as trap C3 says, and made again by the
 * first statement after it was lost. A handle belongs to one process (C9: a
 * child must not touch its parent's) and one statement at a time.
 *
 * Statements are string literals: prepared once a connection, found again by
 * their address. Values are bound, never pasted.
 *
 * Kinds of error: ERR_RETRY, the database is away, busy, read-only or gave a
 * deadlock (whatever transaction was open is rolled back); ERR_CONFLICT, a
 * unique key was there already (1062); ERR_BROKEN, all else.
 */
struct db;

struct db_options {
	const char *socket; /* unix socket; "" for TCP */
	const char *host;
	unsigned int port;
	const char *name;
	const char *user;
	const char *password;
	const char *ca_file; /* TCP: verify the server by it (C10); "" none */
};

/*
 * Borrows what o points to for as long as the handle lives. No member is NULL.
 * TCP to another host than this one needs ca_file.
 */
int db_open(struct db **db, const struct db_options *o,
    struct err *e) MUST_CHECK;
void db_close(struct db *db); /* takes NULL */

/* Connects now if there is no connection, and asks the server one thing. */
int db_ping(struct db *db, struct err *e) MUST_CHECK;

/* How often this handle has connected: changes when a connection was lost. */
unsigned int db_generation(const struct db *db);

/* The server's max_allowed_packet in bytes; 0 before the first connection. */
uint64_t db_max_packet(const struct db *db);

/* A bound value. Bytes are borrowed until the call returns. */
enum db_arg_type {
	DB_NULL,
	DB_INT,
	DB_UINT,
	DB_TEXT,
	DB_BYTES
};

struct db_arg {
	enum db_arg_type type;
	int64_t num;
	const void *bytes;
	size_t len;
};

struct db_arg db_arg_null(void);
struct db_arg db_arg_int(int64_t n);
struct db_arg db_arg_uint(uint64_t n);
struct db_arg db_arg_text(const char *s); /* NULL binds NULL */
struct db_arg db_arg_string(const char *s, size_t len);
struct db_arg db_arg_bytes(const void *bytes, size_t len);

/* The two last parameters of a call below, from an array of db_arg. */
#define DB_ARGS(a) (a), sizeof(a) / sizeof((a)[0])
#define DB_NO_ARGS NULL, 0

struct db_done {
	uint64_t matched;   /* rows matched, changed or not (C6) */
	uint64_t insert_id; /* AUTO_INCREMENT or LAST_INSERT_ID(expr) */
};

/*
 * A statement without rows. done may be NULL. ERR_RETRY outside a transaction
 * may mean that it was done and only the answer was lost.
 */
int db_exec(struct db *db, const char *sql, const struct db_arg *args, size_t n,
    struct db_done *done, struct err *e) MUST_CHECK;

/*
 * db_exec() of one statement outside a transaction that may be repeated as it
 * is, because a second time changes nothing more: tried again as db_run() does.
 */
int db_exec_again(struct db *db, const char *sql, const struct db_arg *args,
    size_t n, struct db_done *done, struct err *e) MUST_CHECK;

/*
 * A statement with rows. One result at a time; the statement's rows must be
 * given back with db_rows_end() before the next call on this handle. A SELECT
 * outside a transaction that finds its connection lost is repeated once on a
 * new one.
 *
 *	if (db_query(db, "SELECT ...", DB_ARGS(a), &rows, e) == -1) ...
 *	while ((rc = db_next(rows, e)) == 1) ... db_col_int(rows, 0) ...
 *	db_rows_end(rows);
 */
struct db_rows;

int db_query(struct db *db, const char *sql, const struct db_arg *args,
    size_t n, struct db_rows **rows, struct err *e) MUST_CHECK;
int db_next(struct db_rows *rows, struct err *e) MUST_CHECK; /* 1, 0, -1 */
void db_rows_end(struct db_rows *rows);                      /* takes NULL */

/*
 * Columns of the current row, counted from 0. Text is not NUL-terminated
 * except as db_col_text() gives it; all of it is good until the next
 * db_next() or db_rows_end(). A column of NULL reads as 0, "" or length 0; a
 * column of an integer type has no text.
 */
bool db_col_null(const struct db_rows *rows, unsigned int i);
int64_t db_col_int(const struct db_rows *rows, unsigned int i);
uint64_t db_col_uint(const struct db_rows *rows, unsigned int i);
const char *db_col_bytes(struct db_rows *rows, unsigned int i, size_t *len);
const char *db_col_text(struct db_rows *rows, unsigned int i);

/*
 * A transaction, run from its beginning again after a deadlock or a lost
 * connection (C17, M4, M5): at most five times, with short random waits.
 *
 * body does the work; -1 rolls back, and only ERR_RETRY is tried again. When
 * the answer to COMMIT was lost (C4), committed is asked on a new connection
 * whether the transaction's own marker row is there: 1 yes, 0 no (body runs
 * again), -1 could not find out. A transaction that may be repeated as it is
 * has committed NULL. The old connection may still be busy with the COMMIT, so
 * committed reads with LOCK IN SHARE MODE, which waits for it.
 *
 * A server that cannot be reached at all is ERR_RETRY at once. The body must
 * stop at the first failure of a statement: what follows is refused.
 *
 * The last failure of finding out is ERR_RETRY with "outcome unknown" in it.
 */
struct db_tx {
	int (*body)(struct db *db, void *ctx, struct err *e);
	int (*committed)(struct db *db, void *ctx, struct err *e);
	void *ctx;

	/* Named fault points around COMMIT, or NULL. */
	const char *before_commit;
	const char *after_commit;
};

int db_run(struct db *db, const struct db_tx *tx, struct err *e) MUST_CHECK;

#endif
