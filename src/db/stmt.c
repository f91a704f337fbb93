#include <errmsg.h>
#include <stdlib.h>
#include <string.h>

#include "db/impl.h"

/* A column that is longer than this is none of ours. */
#define COLUMN_MAX (256UL * 1024 * 1024)

/* What a statement's packet holds beside its values. */
#define PACKET_REST 4096

/* Big values are kept for the next row up to here, then given back. */
#define KEEP_MAX (256 * 1024)

#define ARGS_MAX 256

_Static_assert(DB_STMT_SLOTS == 256, "slot_of() takes eight bits");

struct db_arg
db_arg_null(void)
{
	return (struct db_arg){ .type = DB_NULL };
}

struct db_arg
db_arg_int(int64_t n)
{
	return (struct db_arg){ .type = DB_INT, .num = n };
}

struct db_arg
db_arg_uint(uint64_t n)
{
	return (struct db_arg){ .type = DB_UINT, .num = (int64_t)n };
}

struct db_arg
db_arg_text(const char *s)
{
	if (s == NULL)
		return db_arg_null();
	return db_arg_string(s, strlen(s));
}

struct db_arg
db_arg_string(const char *s, size_t len)
{
	return (struct db_arg){ .type = DB_TEXT, .bytes = s, .len = len };
}

struct db_arg
db_arg_bytes(const void *bytes, size_t len)
{
	return (struct db_arg){ .type = DB_BYTES, .bytes = bytes, .len = len };
}

/*
 * A connection that breaks between two rows is noted in the connection alone,
 * and a result cut short by the server's end not at all.
 */
static int
stmt_failed(struct db_rows *s, struct err *e)
{
	struct db *db = s->db;

	if (mysql_stmt_errno(s->stmt) != 0)
		return db_failed(db, mysql_stmt_errno(s->stmt),
		    mysql_stmt_error(s->stmt), e);
	if (mysql_errno(db->m) != 0)
		return db_failed(db, mysql_errno(db->m), mysql_error(db->m), e);
	return db_failed(db, CR_SERVER_LOST, "the result ended too early", e);
}

static void
stmt_free(struct db_rows *s)
{
	if (s == NULL)
		return;
	if (s->stmt != NULL)
		(void)mysql_stmt_close(s->stmt);
	for (unsigned int i = 0; s->columns != NULL && i < s->column_count; i++)
		buf_clear(&s->columns[i].big);
	free(s->args);
	free(s->results);
	free(s->columns);
	free(s);
}

void
db_stmts_drop(struct db *db)
{
	for (size_t i = 0; i < DB_STMT_SLOTS; i++) {
		stmt_free(db->stmts[i]);
		db->stmts[i] = NULL;
	}
	db->stmt_count = 0;
}

static bool
is_number(enum enum_field_types type)
{
	return type == MYSQL_TYPE_TINY || type == MYSQL_TYPE_SHORT ||
	    type == MYSQL_TYPE_LONG || type == MYSQL_TYPE_INT24 ||
	    type == MYSQL_TYPE_LONGLONG || type == MYSQL_TYPE_YEAR;
}

static void
bind_column(MYSQL_BIND *b, struct db_column *c, const MYSQL_FIELD *f)
{
	c->number = is_number(f->type);
	c->is_unsigned = (f->flags & UNSIGNED_FLAG) != 0;
	c->value = c->here;
	c->big.max = COLUMN_MAX + 1;
	b->is_null = &c->null;
	b->error = &c->error;
	b->length = &c->len;
	if (c->number) {
		b->buffer_type = MYSQL_TYPE_LONGLONG;
		b->buffer = &c->num;
		b->buffer_length = sizeof(c->num);
		b->is_unsigned = c->is_unsigned;
	} else {
		b->buffer_type = MYSQL_TYPE_STRING;
		b->buffer = c->here;
		b->buffer_length = sizeof(c->here) - 1;
	}
}

/* Result buffers are bound once for the statement's whole life. */
static int
bind_columns(struct db_rows *s, struct err *e)
{
	MYSQL_RES *meta = NULL;
	int rc = -1;

	s->column_count = mysql_stmt_field_count(s->stmt);
	if (s->column_count == 0)
		return 0;
	s->columns = calloc(s->column_count, sizeof(*s->columns));
	s->results = calloc(s->column_count, sizeof(*s->results));
	meta = mysql_stmt_result_metadata(s->stmt);
	if (s->columns == NULL || s->results == NULL || meta == NULL) {
		(void)err_set(e, ERR_RETRY, "database: out of memory");
		goto out;
	}
	for (unsigned int i = 0; i < s->column_count; i++)
		bind_column(&s->results[i], &s->columns[i],
		    mysql_fetch_field_direct(meta, i));
	if (mysql_stmt_bind_result(s->stmt, s->results) != 0) {
		(void)stmt_failed(s, e);
		goto out;
	}
	rc = 0;
out:
	mysql_free_result(meta);
	return rc;
}

/* db_failed() drops every statement in the table, so *s is not in it yet. */
static int
prepare(struct db_rows *s, struct err *e)
{
	struct db *db = s->db;

	s->stmt = mysql_stmt_init(db->m);
	if (s->stmt == NULL)
		return err_set(e, ERR_RETRY, "database: out of memory");
	if (mysql_stmt_prepare(s->stmt, s->sql, strlen(s->sql)) != 0)
		return stmt_failed(s, e);
	s->arg_count = mysql_stmt_param_count(s->stmt);
	if (s->arg_count > ARGS_MAX)
		return err_set(e, ERR_BROKEN,
		    "database: too many arguments: %.80s", s->sql);
	if (s->arg_count > 0) {
		s->args = calloc(s->arg_count, sizeof(*s->args));
		if (s->args == NULL)
			return err_set(e, ERR_RETRY, "database: out of memory");
	}
	return bind_columns(s, e);
}

/* The slot of a statement's text: taken by it, or free for it. */
static struct db_rows **
slot_of(struct db *db, const char *sql)
{
	size_t i = ((uint64_t)(uintptr_t)sql * 11400714819323198485ULL) >> 56;

	while (db->stmts[i] != NULL && db->stmts[i]->sql != sql)
		i = (i + 1) % DB_STMT_SLOTS;
	return &db->stmts[i];
}

/* NULL with *e when it cannot be prepared. */
static struct db_rows *
stmt_get(struct db *db, const char *sql, struct err *e)
{
	struct db_rows **slot = slot_of(db, sql), *s;

	if (*slot != NULL)
		return *slot;
	if (db->stmt_count >= DB_STMT_SLOTS - 1) {
		(void)err_set(e, ERR_BROKEN,
		    "database: too many different statements: %.80s", sql);
		return NULL;
	}
	s = calloc(1, sizeof(*s));
	if (s == NULL) {
		(void)err_set(e, ERR_RETRY, "database: out of memory");
		return NULL;
	}
	s->db = db;
	s->sql = sql;
	if (prepare(s, e) == -1) {
		stmt_free(s);
		return NULL;
	}
	db->stmt_count++;
	*slot = s;
	return s;
}

static void
bind_arg(MYSQL_BIND *b, const struct db_arg *a)
{
	memset(b, 0, sizeof(*b));
	switch (a->type) {
	case DB_NULL:
		b->buffer_type = MYSQL_TYPE_NULL;
		return;
	case DB_INT:
	case DB_UINT:
		b->buffer_type = MYSQL_TYPE_LONGLONG;
		b->buffer = (void *)(uintptr_t)&a->num;
		b->is_unsigned = a->type == DB_UINT;
		return;
	case DB_TEXT:
		b->buffer_type = MYSQL_TYPE_STRING;
		break;
	case DB_BYTES:
		b->buffer_type = MYSQL_TYPE_BLOB;
		break;
	}
	/* The connector only reads it, though its type does not say so. */
	b->buffer = (void *)(uintptr_t)(a->len == 0 ? "" : a->bytes);
	b->buffer_length = (unsigned long)a->len;
}

/* A packet that is too large would cost the connection (C13). */
static int
bind_args(struct db_rows *s, const struct db_arg *args, size_t n, struct err *e)
{
	uint64_t bytes = PACKET_REST;

	if (n != s->arg_count)
		return err_set(e, ERR_BROKEN,
		    "database: %zu arguments where %zu belong: %.80s", n,
		    s->arg_count, s->sql);
	for (size_t i = 0; i < n; i++) {
		bind_arg(&s->args[i], &args[i]);
		bytes += args[i].len + 16;
	}
	if (bytes > s->db->max_packet)
		return err_set(e, ERR_BROKEN,
		    "database: a statement of %llu bytes is over the server's"
		    " max_allowed_packet",
		    (unsigned long long)bytes);
	if (n > 0 && mysql_stmt_bind_param(s->stmt, s->args) != 0)
		return stmt_failed(s, e);
	return 0;
}

static int
execute(struct db *db, const char *sql, const struct db_arg *args, size_t n,
    struct db_rows **out, struct err *e)
{
	struct db_rows *s;

	if (db_ready(db, e) == -1)
		return -1;
	db->fault = DB_FAULT_NONE;
	s = stmt_get(db, sql, e);
	if (s == NULL || bind_args(s, args, n, e) == -1) {
		db->tx_failed = true;
		return -1;
	}
	if (mysql_stmt_execute(s->stmt) != 0)
		return stmt_failed(s, e);
	*out = s;
	return 0;
}

int
db_exec(struct db *db, const char *sql, const struct db_arg *args, size_t n,
    struct db_done *done, struct err *e)
{
	struct db_rows *s;

	if (execute(db, sql, args, n, &s, e) == -1)
		return -1;
	if (done != NULL) {
		done->matched = mysql_stmt_affected_rows(s->stmt);
		done->insert_id = mysql_stmt_insert_id(s->stmt);
	}
	if (s->column_count > 0)
		(void)mysql_stmt_free_result(s->stmt);
	return 0;
}

/*
 * An idle connection may have been closed by the server long ago. For a read
 * outside a transaction that is no news to anybody: once more, on a new one.
 */
static bool
may_repeat(const struct db *db, const char *sql, unsigned int before)
{
	return !db->in_tx && db->fault == DB_FAULT_LOST &&
	    db->generation == before && strncmp(sql, "SELECT", 6) == 0;
}

int
db_query(struct db *db, const char *sql, const struct db_arg *args, size_t n,
    struct db_rows **rows, struct err *e)
{
	unsigned int before = db->generation;

	*rows = NULL;
	if (execute(db, sql, args, n, rows, e) == -1 &&
	    (!may_repeat(db, sql, before) ||
		execute(db, sql, args, n, rows, e) == -1))
		return -1;
	(*rows)->ended = false;
	db->open = *rows;
	return 0;
}

/* A value that did not fit its place in the row is taken in a second look. */
static int
fetch_long(struct db_rows *s, unsigned int i, struct err *e)
{
	struct db_column *c = &s->columns[i];
	MYSQL_BIND b = { 0 };
	unsigned long len = 0;
	my_bool null = 0, error = 0;
	char *room;

	if (c->len > COLUMN_MAX)
		return err_set(e, ERR_BROKEN,
		    "database: a column of %lu bytes is too long", c->len);
	buf_reset(&c->big);
	room = buf_reserve(&c->big, c->len + 1);
	if (room == NULL)
		return err_set(e, ERR_RETRY, "database: out of memory");
	b.buffer_type = MYSQL_TYPE_STRING;
	b.buffer = room;
	b.buffer_length = c->len;
	b.length = &len;
	b.is_null = &null;
	b.error = &error;
	if (mysql_stmt_fetch_column(s->stmt, &b, i, 0) != 0)
		return stmt_failed(s, e);
	c->value = room;
	return 0;
}

static int
place_columns(struct db_rows *s, struct err *e)
{
	for (unsigned int i = 0; i < s->column_count; i++) {
		struct db_column *c = &s->columns[i];

		if (c->number && c->error && !c->null)
			return err_set(e, ERR_BROKEN,
			    "database: column %u does not fit: %.80s", i,
			    s->sql);
		if (c->number)
			continue;
		c->value = c->here;
		if (c->null)
			c->len = 0;
		if (c->len >= sizeof(c->here) && fetch_long(s, i, e) == -1)
			return -1;
		c->value[c->len] = '\0';
	}
	return 1;
}

int
db_next(struct db_rows *s, struct err *e)
{
	int got;

	if (s->ended)
		return 0;
	got = mysql_stmt_fetch(s->stmt);
	if (got == 0 || got == MYSQL_DATA_TRUNCATED)
		return place_columns(s, e);
	s->ended = true;
	if (got == MYSQL_NO_DATA)
		return 0;
	return stmt_failed(s, e);
}

void
db_rows_end(struct db_rows *s)
{
	if (s == NULL)
		return;
	s->db->open = NULL;
	if (s->db->dead) {
		db_disconnect(s->db); /* and *s with it */
		return;
	}
	(void)mysql_stmt_free_result(s->stmt); /* reads what is left (C8) */
	for (unsigned int i = 0; i < s->column_count; i++) {
		struct db_column *c = &s->columns[i];

		if (c->big.cap > KEEP_MAX)
			buf_clear(&c->big);
	}
}

bool
db_col_null(const struct db_rows *rows, unsigned int i)
{
	return rows->columns[i].null;
}

int64_t
db_col_int(const struct db_rows *rows, unsigned int i)
{
	const struct db_column *c = &rows->columns[i];

	if (c->null)
		return 0;
	return c->number ? c->num : strtoll(c->value, NULL, 10);
}

uint64_t
db_col_uint(const struct db_rows *rows, unsigned int i)
{
	const struct db_column *c = &rows->columns[i];

	if (c->null)
		return 0;
	return c->number ? (uint64_t)c->num : strtoull(c->value, NULL, 10);
}

const char *
db_col_bytes(struct db_rows *rows, unsigned int i, size_t *len)
{
	const struct db_column *c = &rows->columns[i];

	*len = c->number ? 0 : c->len;
	return c->number ? "" : c->value;
}

const char *
db_col_text(struct db_rows *rows, unsigned int i)
{
	size_t len;

	return db_col_bytes(rows, i, &len);
}
