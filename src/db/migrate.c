#include "db/migrate.h"

#include <dirent.h>
#include <fcntl.h>
#include <mysqld_error.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "db/impl.h"
#include "db/migrate_scan.h"
#include "util/buf.h"
#include "util/encode.h"
#include "util/file.h"

#define FILE_MAX (4UL * 1024 * 1024)
#define FILES_MAX 9999

/* GET_LOCK in pieces, each well below the connection's time limits. */
#define LOCK_TRIES 6
#define LOCK_TRY_S 5

#define LOCK_NAME                                                               \
	"CONCAT('taskmill.migrate.', LEFT(SHA2(COALESCE(DATABASE(), ''), 256)," \
	" 32))"

struct migration {
	const char *dir;
	const char *name; /* of the file */
	unsigned int version;
	struct buf text;
	char sha256[2 * SHA256_BYTES + 1];
};

/* What schema_migrations says about one version. */
struct record {
	bool found;
	bool applied;
	int64_t statement; /* the last one begun */
	char sha256[2 * SHA256_BYTES + 1];
};

static int
is_migration(const struct dirent *d)
{
	const char *n = d->d_name;
	size_t len = strlen(n);

	return len > 9 && strspn(n, "0123456789") == 4 && n[4] == '_' &&
	    strcmp(n + len - 4, ".sql") == 0;
}

static int
lock(struct db *db, struct err *e)
{
	const struct db_arg args[] = { db_arg_int(LOCK_TRY_S) };
	struct db_rows *rows;
	int64_t got = 0;

	for (int i = 0; i < LOCK_TRIES && got != 1; i++) {
		if (db_query(db, "SELECT GET_LOCK(" LOCK_NAME ", ?)",
			DB_ARGS(args), &rows, e) == -1)
			return -1;
		if (db_next(rows, e) == -1) {
			db_rows_end(rows);
			return -1;
		}
		got = db_col_int(rows, 0);
		db_rows_end(rows);
	}
	if (got != 1)
		return err_set(e, ERR_RETRY,
		    "another migration of this database is under way");
	return 0;
}

static int
make_table(struct db *db, struct err *e)
{
	return db_exec(db,
	    "CREATE TABLE IF NOT EXISTS schema_migrations ("
	    " version INT UNSIGNED NOT NULL PRIMARY KEY,"
	    " name VARCHAR(255) CHARACTER SET utf8mb4"
	    "  COLLATE utf8mb4_nopad_bin NOT NULL,"
	    " sha256 CHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,"
	    " begun_at DATETIME(6) NOT NULL,"
	    " statement INT UNSIGNED NOT NULL COMMENT 'the last one begun',"
	    " applied_at DATETIME(6) NULL) ENGINE=InnoDB",
	    DB_NO_ARGS, NULL, e);
}

static int
read_record(struct db *db, unsigned int version, struct record *r,
    struct err *e)
{
	const struct db_arg args[] = { db_arg_uint(version) };
	struct db_rows *rows;
	const char *hash;
	size_t len;
	int got;

	memset(r, 0, sizeof(*r));
	if (db_query(db,
		"SELECT sha256, applied_at IS NOT NULL, statement"
		" FROM schema_migrations WHERE version = ?",
		DB_ARGS(args), &rows, e) == -1)
		return -1;
	got = db_next(rows, e);
	if (got == 1) {
		hash = db_col_bytes(rows, 0, &len);
		if (len < sizeof(r->sha256))
			memcpy(r->sha256, hash, len);
		r->found = true;
		r->applied = db_col_int(rows, 1) != 0;
		r->statement = db_col_int(rows, 2);
	}
	db_rows_end(rows);
	return got == -1 ? -1 : 0;
}

static int
load(struct migration *m, struct err *e)
{
	uint8_t digest[SHA256_BYTES];
	int dir, rc;

	dir = open(m->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir == -1)
		return err_sys(e, ERR_ABSENT, "%s", m->dir);
	buf_reset(&m->text);
	rc = file_read(dir, m->name, &m->text, e);
	(void)close(dir);
	if (rc == -1)
		return -1;
	sha256(digest, m->text.data, m->text.len);
	encode_hex(m->sha256, digest, sizeof(digest));
	return 0;
}

/* The whole file is cut up before its first statement is sent. */
static int
count_statements(const struct migration *m, unsigned int *n, struct err *e)
{
	struct sql_scan scan = { m->text.data, m->text.data + m->text.len };
	const char *sql;
	size_t len;
	int got;

	*n = 0;
	if (m->text.len == 0)
		return 0;
	while ((got = sql_scan_next(&scan, &sql, &len)) == 1)
		(*n)++;
	if (got == -1)
		return err_set(e, ERR_BROKEN,
		    "after statement %u: a quote or comment is not closed", *n);
	return 0;
}

static int
note_begun(struct db *db, const struct migration *m, unsigned int statement,
    struct err *e)
{
	const struct db_arg args[] = { db_arg_uint(m->version),
		db_arg_text(m->name), db_arg_text(m->sha256),
		db_arg_uint(statement) };

	return db_exec(db,
	    "INSERT INTO schema_migrations"
	    " (version, name, sha256, begun_at, statement)"
	    " VALUES (?, ?, ?, UTC_TIMESTAMP(6), ?)"
	    " ON DUPLICATE KEY UPDATE statement = VALUES(statement)",
	    DB_ARGS(args), NULL, e);
}

static int
note_applied(struct db *db, const struct migration *m, struct err *e)
{
	const struct db_arg args[] = { db_arg_uint(m->version) };

	return db_exec(db,
	    "UPDATE schema_migrations SET applied_at = UTC_TIMESTAMP(6)"
	    " WHERE version = ?",
	    DB_ARGS(args), NULL, e);
}

/* A new connection would not hold the lock. */
static int
still_locked(struct db *db, unsigned int generation, struct err *e)
{
	if (db->m == NULL || db_generation(db) != generation)
		return err_set(e, ERR_RETRY, "the connection was lost");
	return 0;
}

static int
run_statements(struct db *db, const struct migration *m, unsigned int count,
    struct err *e)
{
	struct sql_scan scan = { m->text.data, m->text.data + m->text.len };
	unsigned int generation = db_generation(db);
	const char *sql;
	size_t len;

	for (unsigned int i = 1; i <= count; i++) {
		(void)sql_scan_next(&scan, &sql, &len);
		if (note_begun(db, m, i, e) == -1 ||
		    still_locked(db, generation, e) == -1 ||
		    db_text_exec(db, sql, len, e) == -1)
			return err_wrap(e, "statement %u of %u", i, count);
	}
	return 0;
}

static int
apply(struct db *db, const struct migration *m, struct err *e)
{
	unsigned int count;

	if (count_statements(m, &count, e) == -1 ||
	    note_begun(db, m, 0, e) == -1 ||
	    run_statements(db, m, count, e) == -1 ||
	    note_applied(db, m, e) == -1)
		return err_wrap(e, "%s", m->name);
	return 0;
}

/* 1: to be applied, 0: is applied, -1: cannot be. */
static int
decide(struct db *db, const struct migration *m, struct err *e)
{
	struct record r;

	if (read_record(db, m->version, &r, e) == -1)
		return -1;
	if (!r.found)
		return 1;
	if (!r.applied)
		return err_set(e, ERR_BROKEN,
		    "%s stopped at its statement %lld on an earlier run; look"
		    " whether that one took effect, finish or undo the file by"
		    " hand, then set or delete its row in schema_migrations",
		    m->name, (long long)r.statement);
	if (strcmp(r.sha256, m->sha256) != 0)
		return err_set(e, ERR_BROKEN,
		    "%s was changed after it had been applied", m->name);
	return 0;
}

static int
check_newest(struct db *db, unsigned int files, struct err *e)
{
	unsigned int version;

	if (migrate_version(db, &version, e) == -1)
		return -1;
	if (version > files)
		return err_set(e, ERR_BROKEN,
		    "the database is at version %u, which is newer than this"
		    " program",
		    version);
	return 0;
}

/* Everything is looked at before anything is applied. */
static int
plan(struct db *db, struct migration *m, struct dirent **files, int n,
    unsigned int *first, struct err *e)
{
	bool missing = false;
	int todo;

	*first = (unsigned int)n + 1;
	for (int i = 0; i < n; i++) {
		m->name = files[i]->d_name;
		m->version = (unsigned int)strtoul(m->name, NULL, 10);
		if (m->version != (unsigned int)i + 1)
			return err_set(e, ERR_BROKEN,
			    "migration %04d is missing, or there twice", i + 1);
		if (load(m, e) == -1)
			return err_wrap(e, "%s", m->name);
		todo = decide(db, m, e);
		if (todo == -1)
			return -1;
		if (todo == 0 && missing)
			return err_set(e, ERR_BROKEN,
			    "%s is applied, but an earlier one is not",
			    m->name);
		if (todo == 1 && !missing) {
			missing = true;
			*first = m->version;
		}
	}
	return check_newest(db, (unsigned int)n, e);
}

struct wish {
	unsigned int *applied;
	migrate_report *report;
	void *ctx;
};

static int
apply_from(struct db *db, struct migration *m, struct dirent **files, int n,
    const struct wish *w, struct err *e)
{
	unsigned int first;

	if (plan(db, m, files, n, &first, e) == -1)
		return -1;
	for (unsigned int v = first; v <= (unsigned int)n; v++) {
		m->name = files[v - 1]->d_name;
		m->version = v;
		if (load(m, e) == -1 || apply(db, m, e) == -1)
			return -1;
		(*w->applied)++;
		if (w->report != NULL)
			w->report(w->ctx, v, m->name);
	}
	return 0;
}

static int
run_locked(struct db *db, const char *dir, const struct wish *w, struct err *e)
{
	struct migration m = { .dir = dir, .text = BUF(FILE_MAX) };
	struct dirent **files = NULL;
	int n, rc = -1;

	n = scandir(dir, &files, is_migration, alphasort);
	if (n == -1)
		return err_sys(e, ERR_ABSENT, "%s", dir);
	if (n == 0 || n > FILES_MAX)
		(void)err_set(e, ERR_ABSENT, "%s: no migrations there", dir);
	else if (lock(db, e) == 0 && make_table(db, e) == 0)
		rc = apply_from(db, &m, files, n, w, e);
	for (int i = 0; i < n; i++)
		free(files[i]);
	free(files);
	buf_clear(&m.text);
	return rc;
}

int
migrate_run(struct db *db, const char *dir, unsigned int *applied,
    migrate_report *report, void *ctx, struct err *e)
{
	const struct wish w = { applied, report, ctx };
	int rc;

	*applied = 0;
	db_set_patient(db, true);
	rc = run_locked(db, dir, &w, e);
	db_set_patient(db, false); /* a new connection: the lock is free */
	return rc == -1 ? err_wrap(e, "migrate") : 0;
}

int
migrate_version(struct db *db, unsigned int *version, struct err *e)
{
	struct db_rows *rows;
	int got;

	*version = 0;
	if (db_query(db,
		"SELECT COALESCE(MAX(version), 0) FROM schema_migrations"
		" WHERE applied_at IS NOT NULL",
		DB_NO_ARGS, &rows, e) == -1)
		return db->fault == DB_FAULT_FATAL &&
			db->code == ER_NO_SUCH_TABLE
		    ? 0
		    : -1;
	got = db_next(rows, e);
	if (got == 1)
		*version = (unsigned int)db_col_uint(rows, 0);
	db_rows_end(rows);
	return got == -1 ? -1 : 0;
}

bool
migrate_fits(unsigned int version)
{
	return version >= SCHEMA_VERSION;
}
