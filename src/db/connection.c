#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "db/impl.h"
#include "util/file.h"

/* Seconds; the server's own limit on a statement ends first (C2). */
#define CONNECT_TIMEOUT_S 5
#define IO_TIMEOUT_S 30
#define PATIENT_TIMEOUT_S 3600

/* More than any column that we keep. */
#define PACKET_MAX (1024UL * 1024 * 1024)

/* Trap C3: one statement, always the same. */
#define SESSION(statement_s)                                                \
	"SET SESSION sql_mode='STRICT_TRANS_TABLES,"                        \
	"ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION,NO_ZERO_DATE',"  \
	" tx_isolation='READ-COMMITTED', time_zone='+00:00', autocommit=1," \
	" innodb_lock_wait_timeout=5, max_statement_time=" statement_s ","  \
	" idle_transaction_timeout=30, wsrep_sync_wait=0"

#define SESSION_CHECK                                                   \
	"SELECT @@max_allowed_packet, @@tx_isolation='READ-COMMITTED'," \
	" @@time_zone='+00:00', @@autocommit=1,"                        \
	" @@sql_mode LIKE '%STRICT_TRANS_TABLES%',"                     \
	" @@character_set_client='utf8mb4'"

static const char *const checked[] = { "max_allowed_packet", "tx_isolation",
	"time_zone", "autocommit", "sql_mode", "character_set_client" };

#define CHECKED_N (sizeof(checked) / sizeof(checked[0]))

int
db_open(struct db **db, const struct db_options *o, struct err *e)
{
	unsigned long version = mysql_get_client_version();

	if (version / 10000 != MARIADB_PACKAGE_VERSION_ID / 10000)
		return err_set(e, ERR_BROKEN,
		    "MariaDB Connector/C %lu does not fit the headers %d",
		    version, MARIADB_PACKAGE_VERSION_ID);
	*db = calloc(1, sizeof(**db));
	if (*db == NULL)
		return err_set(e, ERR_RETRY, "database: out of memory");
	(*db)->o = *o;
	return 0;
}

void
db_close(struct db *db)
{
	if (db == NULL)
		return;
	db->open = NULL;
	/* A child that says goodbye ends its parent's connection (C9). */
	if (db->m != NULL && db->pid == getpid())
		db_disconnect(db);
	free(db);
}

void
db_disconnect(struct db *db)
{
	if (db->m == NULL)
		return;
	db->dead = db->open != NULL;
	if (db->dead)
		return;
	/* First the connection: then no statement is closed by a message. */
	mysql_close(db->m);
	db->m = NULL;
	db_stmts_drop(db);
}

unsigned int
db_generation(const struct db *db)
{
	return db->generation;
}

uint64_t
db_max_packet(const struct db *db)
{
	return db->max_packet;
}

void
db_set_patient(struct db *db, bool patient)
{
	db_disconnect(db);
	db->patient = patient;
}

static bool
is_loopback(const char *host)
{
	return strcmp(host, "localhost") == 0 || strcmp(host, "::1") == 0 ||
	    strncmp(host, "127.", 4) == 0;
}

static void
set_limits(MYSQL *m, bool patient)
{
	unsigned int connect_s = CONNECT_TIMEOUT_S;
	unsigned int io_s = patient ? PATIENT_TIMEOUT_S : IO_TIMEOUT_S;
	unsigned int off = 0;
	unsigned long packet = PACKET_MAX;

	(void)mysql_options(m, MYSQL_OPT_CONNECT_TIMEOUT, &connect_s);
	(void)mysql_options(m, MYSQL_OPT_READ_TIMEOUT, &io_s);
	(void)mysql_options(m, MYSQL_OPT_WRITE_TIMEOUT, &io_s);
	(void)mysql_options(m, MYSQL_OPT_MAX_ALLOWED_PACKET, &packet);
	(void)mysql_options(m, MYSQL_OPT_LOCAL_INFILE, &off); /* C11 */
	(void)mysql_options(m, MYSQL_SET_CHARSET_NAME, "utf8mb4");
}

/* Only "verify" makes the connector insist on TLS (C10). */
static int
set_transport(MYSQL *m, const struct db_options *o, struct err *e)
{
	unsigned int protocol = MYSQL_PROTOCOL_TCP;
	my_bool on = 1;

	if (o->socket[0] != '\0') {
		protocol = MYSQL_PROTOCOL_SOCKET;
		(void)mysql_options(m, MYSQL_OPT_PROTOCOL, &protocol);
		return 0;
	}
	(void)mysql_options(m, MYSQL_OPT_PROTOCOL, &protocol);
	if (o->ca_file[0] == '\0') {
		if (is_loopback(o->host))
			return 0;
		return err_set(e, ERR_BROKEN,
		    "database: a server on another host needs a CA file to"
		    " know it by");
	}
	(void)mysql_options(m, MYSQL_OPT_SSL_CA, o->ca_file);
	(void)mysql_options(m, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &on);
	return 0;
}

static int
dial(struct db *db, struct err *e)
{
	const struct db_options *o = &db->o;
	bool local = o->socket[0] != '\0';

	if (set_transport(db->m, o, e) == -1)
		return -1;
	set_limits(db->m, db->patient);
	if (mysql_real_connect(db->m, local ? "localhost" : o->host, o->user,
		o->password[0] == '\0' ? NULL : o->password, o->name,
		local ? 0 : o->port, local ? o->socket : NULL,
		CLIENT_FOUND_ROWS) == NULL)
		return db_failed(db, mysql_errno(db->m), mysql_error(db->m), e);
	if (!local && o->ca_file[0] != '\0' &&
	    mysql_get_ssl_cipher(db->m) == NULL)
		return err_set(e, ERR_BROKEN,
		    "database: the server did not use TLS");
	return fd_cloexec(mysql_get_socket(db->m), true, e);
}

/* Shared hosters override defaults: trust nothing that was not read back. */
static int
check_session(struct db *db, struct err *e)
{
	MYSQL_RES *res = NULL;
	MYSQL_ROW row;
	int rc = -1;

	if (mysql_query(db->m, SESSION_CHECK) != 0 ||
	    (res = mysql_store_result(db->m)) == NULL) {
		(void)db_failed(db, mysql_errno(db->m), mysql_error(db->m), e);
		goto out;
	}
	row = mysql_fetch_row(res);
	if (row == NULL || mysql_num_fields(res) != CHECKED_N) {
		(void)err_set(e, ERR_BROKEN, "database: session not readable");
		goto out;
	}
	for (size_t i = 1; i < CHECKED_N; i++)
		if (row[i] == NULL || strcmp(row[i], "1") != 0) {
			(void)err_set(e, ERR_BROKEN,
			    "database: the server did not take our %s",
			    checked[i]);
			goto out;
		}
	db->max_packet = row[0] == NULL ? 0 : strtoull(row[0], NULL, 10);
	rc = 0;
out:
	mysql_free_result(res);
	return rc;
}

static int
set_up_session(struct db *db, struct err *e)
{
	const char *sql = db->patient ? SESSION("0") : SESSION("20");

	if (mysql_query(db->m, sql) != 0)
		return db_failed(db, mysql_errno(db->m), mysql_error(db->m), e);
	return check_session(db, e);
}

int
db_connect(struct db *db, struct err *e)
{
	if (db->m != NULL)
		return 0;
	db->fault = DB_FAULT_NONE;
	db->m = mysql_init(NULL);
	if (db->m == NULL)
		return err_set(e, ERR_RETRY, "database: out of memory");
	db->pid = getpid();
	if (dial(db, e) == -1 || set_up_session(db, e) == -1) {
		db_disconnect(db);
		/* Whatever cut it, there is no server to talk to now. */
		if (db->fault == DB_FAULT_LOST)
			db->fault = DB_FAULT_AWAY;
		return err_wrap(e, "connect");
	}
	db->generation++;
	return 0;
}

int
db_ready(struct db *db, struct err *e)
{
	if (db->m != NULL && db->pid != getpid())
		return err_set(e, ERR_BROKEN,
		    "database: this connection is another process's");
	if (db->open != NULL)
		return err_set(e, ERR_BROKEN,
		    "database: the last result is still open: %.60s",
		    db->open->sql);
	if (!db->in_tx)
		return db_connect(db, e);

	/* Going on would commit the rest on its own (M4, M5). */
	if (db->tx_failed || db->m == NULL)
		return err_set(e, db->m == NULL ? ERR_RETRY : ERR_BROKEN,
		    "database: the transaction has failed already");
	return 0;
}

int
db_ping(struct db *db, struct err *e)
{
	struct db_rows *rows = NULL;
	int rc = -1;

	if (db_query(db, "SELECT 1", DB_NO_ARGS, &rows, e) == 0 &&
	    db_next(rows, e) == 1)
		rc = 0;
	db_rows_end(rows);
	return rc;
}

int
db_text_exec(struct db *db, const char *sql, size_t len, struct err *e)
{
	MYSQL_RES *res;

	if (db_ready(db, e) == -1)
		return -1;
	db->fault = DB_FAULT_NONE;
	if (mysql_real_query(db->m, sql, (unsigned long)len) != 0)
		return db_failed(db, mysql_errno(db->m), mysql_error(db->m), e);
	res = mysql_store_result(db->m);
	mysql_free_result(res);
	return 0;
}
