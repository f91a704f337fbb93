#include "store/events.h"

#include <stdio.h>

/* Lines that go in one statement, when they are short enough for that. */
#define BATCH 16
#define BATCH_BYTES (512 * 1024)

#define COLUMNS 7

#define INSERT                    \
	"INSERT INTO task_events" \
	" (task_id, seq, attempt, spool_seq, kind, created_at, data) VALUES "
#define ROW "(?, ?, ?, ?, ?, ?, ?)"
#define ROW_4 ROW ", " ROW ", " ROW ", " ROW
#define ROW_16 ROW_4 ", " ROW_4 ", " ROW_4 ", " ROW_4

int
event_add(struct db *db, const struct hold *h, uint64_t seq, const char *kind,
    const char *data, struct err *e)
{
	const struct db_arg args[] = { db_arg_int(h->task_id), db_arg_uint(seq),
		db_arg_uint(h->attempt), db_arg_text(kind), db_arg_text(data) };

	return db_exec(db,
	    "INSERT INTO task_events"
	    " (task_id, seq, attempt, kind, created_at, data)"
	    " VALUES (?, ?, ?, ?, UTC_TIMESTAMP(6), ?)",
	    DB_ARGS(args), NULL, e);
}

int
event_add_end(struct db *db, const struct hold *h, uint64_t seq,
    enum task_state state, enum failure failure, struct err *e)
{
	char data[120];

	if (failure == FAILURE_NONE)
		(void)snprintf(data, sizeof(data), "{\"status\":\"%s\"}",
		    task_state_name(state));
	else
		(void)snprintf(data, sizeof(data),
		    "{\"status\":\"%s\",\"failure\":\"%s\"}",
		    task_state_name(state), failure_name(failure));
	return event_add(db, h, seq, "end", data, e);
}

static void
bind_line(struct db_arg *a, const struct hold *h, uint64_t seq,
    const struct event_new *ev)
{
	a[0] = db_arg_int(h->task_id);
	a[1] = db_arg_uint(seq);
	a[2] = db_arg_uint(h->attempt);
	a[3] = db_arg_uint(ev->spool_seq);
	a[4] = db_arg_text(ev->kind);
	a[5] = db_arg_text(ev->at);
	a[6] = db_arg_string(ev->data, ev->data_len);
}

static bool
fits_batch(const struct event_new *events, size_t n)
{
	size_t bytes = 0;

	if (n < BATCH)
		return false;
	for (size_t i = 0; i < BATCH; i++) {
		if (events[i].data_len > BATCH_BYTES)
			return false;
		bytes += events[i].data_len;
	}
	return bytes <= BATCH_BYTES;
}

int
event_add_lines(struct db *db, const struct hold *h, uint64_t first,
    const struct event_new *events, size_t n, struct err *e)
{
	struct db_arg args[BATCH * COLUMNS];
	size_t step;
	int rc;

	for (size_t i = 0; i < n; i += step) {
		step = fits_batch(events + i, n - i) ? BATCH : 1;
		for (size_t k = 0; k < step; k++)
			bind_line(args + k * COLUMNS, h, first + i + k,
			    &events[i + k]);
		if (step == BATCH)
			rc = db_exec(db, INSERT ROW_16, args, BATCH * COLUMNS,
			    NULL, e);
		else
			rc = db_exec(db, INSERT ROW, args, COLUMNS, NULL, e);
		if (rc == -1)
			return -1;
	}
	return 0;
}

int
event_check_lines(const struct event_new *events, size_t n, uint64_t shipped,
    struct err *e)
{
	for (size_t i = 0; i < n; i++)
		if (events[i].spool_seq != shipped + 1 + i)
			return err_set(e, ERR_INVALID,
			    "spool line %llu where %llu belongs",
			    (unsigned long long)events[i].spool_seq,
			    (unsigned long long)(shipped + 1 + i));
	return 0;
}
