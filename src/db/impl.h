#ifndef DB_IMPL_H
#define DB_IMPL_H

#include <mysql.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "db/db.h"
#include "util/buf.h"

/* impl: what the files of this layer share. Nobody else includes it. */

/* What a failure asks for (trap C17). */
enum db_fault {
	DB_FAULT_NONE,
	DB_FAULT_CONFLICT, /* a unique key */
	DB_FAULT_AGAIN, /* deadlock, lock wait: the whole transaction again */
	DB_FAULT_SLOW,  /* the server's time limit: once again at most */
	DB_FAULT_BUSY,  /* too many connections, no space: after a while */
	DB_FAULT_LOST,  /* the connection is of no more use */
	DB_FAULT_AWAY,  /* no connection could be made */
	DB_FAULT_FATAL
};

/* Which of these a server's or the connector's error number is. */
enum db_fault db_fault_of(unsigned int code);

/* Every statement text is a literal; there are some eighty of them. */
#define DB_STMT_SLOTS 256

/* Values up to here need no memory of their own. */
#define DB_INLINE 256

struct db_column {
	bool number;
	bool is_unsigned;
	my_bool null;
	my_bool error;
	unsigned long len;
	int64_t num;
	char *value; /* in here or in big */
	struct buf big;
	char here[DB_INLINE];
};

/* A prepared statement, and the result that it has open. */
struct db_rows {
	struct db *db;
	const char *sql;
	MYSQL_STMT *stmt;
	MYSQL_BIND *args;
	size_t arg_count;
	MYSQL_BIND *results;
	struct db_column *columns;
	unsigned int column_count;
	bool ended;
};

struct db {
	struct db_options o;
	MYSQL *m; /* NULL: not connected */
	pid_t pid;
	unsigned int generation;
	uint64_t max_packet;
	bool patient; /* migrations: statements may take long */
	bool dead;    /* to be dropped as soon as no result is open */

	struct db_rows *open; /* the result being read */
	bool in_tx;
	bool tx_failed;

	enum db_fault fault; /* of the last statement */
	unsigned int code;

	struct db_rows *stmts[DB_STMT_SLOTS];
	size_t stmt_count;
};

/* Makes the connection if there is none. */
int db_connect(struct db *db, struct err *e) MUST_CHECK;

/*
 * Drops the connection and all statements prepared on it; at once, or when
 * the result that is open has been given back.
 */
void db_disconnect(struct db *db);

/* Notes a failure of the server or the connector; always -1. */
int db_failed(struct db *db, unsigned int code, const char *text,
    struct err *e);

/* Connected, and nothing in the way of another statement. */
int db_ready(struct db *db, struct err *e) MUST_CHECK;

/*
 * A statement without rows as text, for what is no literal (migrations) or
 * cannot be prepared. Rows that come all the same are dropped.
 */
int db_text_exec(struct db *db, const char *sql, size_t len,
    struct err *e) MUST_CHECK;

/* Statements with a time limit of an hour, or back to ordinary ones. */
void db_set_patient(struct db *db, bool patient);

void db_stmts_drop(struct db *db);

#endif
