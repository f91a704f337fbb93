#include <string.h>
#include <time.h>

#include "db/impl.h"
#include "util/clock.h"
#include "util/encode.h"
#include "util/fault.h"

#define TRIES_MAX 5

/* No further try begins after this long: somebody is waiting for us. */
#define TRIES_MS 15000

/* To find out what became of a COMMIT: four looks over some three seconds. */
#define LOOKS_MAX 4

static void
pause_ms(uint32_t from, uint32_t to)
{
	struct timespec t;
	uint32_t r, ms;

	random_fill(&r, sizeof(r));
	ms = from + r % (to - from + 1);
	t.tv_sec = ms / 1000;
	t.tv_nsec = (long)(ms % 1000) * 1000000L;
	(void)nanosleep(&t, NULL);
}

/*
 * Whether a failed try is followed by another, after its pause. A server that
 * cannot be reached is not waited for here: whoever called knows better how
 * long that makes sense.
 */
static bool
another_try(const struct db *db, unsigned int tries, int64_t began,
    const struct err *e)
{
	if (e->kind != ERR_RETRY || tries >= TRIES_MAX ||
	    clock_mono_ms() - began > TRIES_MS)
		return false;
	switch (db->fault) {
	case DB_FAULT_AWAY:
		return false;
	case DB_FAULT_SLOW:
		return tries < 2;
	case DB_FAULT_BUSY:
		pause_ms(100 * tries, 300 * tries);
		return true;
	case DB_FAULT_LOST:
		if (tries > 1)
			pause_ms(50 * tries, 150 * tries);
		return true;
	case DB_FAULT_NONE:
	case DB_FAULT_CONFLICT:
	case DB_FAULT_AGAIN:
	case DB_FAULT_FATAL:
		break;
	}
	pause_ms(1, 8 * tries * tries);
	return true;
}

static int
begin(struct db *db, struct err *e)
{
	static const char sql[] = "START TRANSACTION";

	db->in_tx = false;
	if (db_text_exec(db, sql, sizeof(sql) - 1, e) == -1)
		return -1;
	db->in_tx = true;
	db->tx_failed = false;
	return 0;
}

/*
 * After every error, also those after which the server says that there is no
 * transaction any more (M4, M5). A connection on which this fails is dropped,
 * and the transaction with it (M17).
 */
static void
roll_back(struct db *db)
{
	db->in_tx = false;
	if (db->m != NULL && mysql_query(db->m, "ROLLBACK") != 0)
		db_disconnect(db);
}

/*
 * Asks once. On a cluster the new connection may be to another node, which
 * first has to catch up (G5).
 */
static int
look(struct db *db, const struct db_tx *tx, struct err *e)
{
	static const char on[] = "SET SESSION wsrep_sync_wait=1";
	static const char off[] = "SET SESSION wsrep_sync_wait=0";
	struct err ignored = { 0 };
	int found;

	if (db_text_exec(db, on, sizeof(on) - 1, e) == -1)
		return -1;
	found = tx->committed(db, tx->ctx, e);
	/* A connection that stays slow is of no use; the next one is not. */
	if (db_text_exec(db, off, sizeof(off) - 1, &ignored) == -1)
		db_disconnect(db);
	return found;
}

/* The COMMIT's answer was lost: finds out on a new connection (C4). */
static int
find_out(struct db *db, const struct db_tx *tx, struct err *e)
{
	struct err why = { 0 };
	int found = -1;

	for (unsigned int looks = 1; looks <= LOOKS_MAX; looks++) {
		found = look(db, tx, &why);
		if (found != -1 || why.kind != ERR_RETRY)
			break;
		if (looks < LOOKS_MAX)
			pause_ms(200 * looks, 600 * looks);
	}
	if (found == 1)
		return 0;
	if (found == 0) {
		db->fault = DB_FAULT_AGAIN;
		return err_set(e, ERR_RETRY, "database: was not committed");
	}
	db->fault = DB_FAULT_AWAY;
	return err_set(e, ERR_RETRY, "database: outcome unknown: %.300s",
	    why.text);
}

static int
commit(struct db *db, const struct db_tx *tx, struct err *e)
{
	static const char sql[] = "COMMIT";
	int rc;

	if (tx->before_commit != NULL)
		FAULT_POINT(tx->before_commit);
	rc = db_text_exec(db, sql, sizeof(sql) - 1, e);
	db->in_tx = false;
	if (rc == -1 && db->fault == DB_FAULT_LOST && tx->committed != NULL)
		rc = find_out(db, tx, e);
	else if (rc == -1)
		roll_back(db);
	if (rc == 0 && tx->after_commit != NULL)
		FAULT_POINT(tx->after_commit);
	return rc;
}

static int
try_once(struct db *db, const struct db_tx *tx, struct err *e)
{
	if (begin(db, e) == -1)
		return -1;
	if (tx->body(db, tx->ctx, e) == -1) {
		roll_back(db);
		return -1;
	}
	if (db->open != NULL || db->tx_failed) {
		roll_back(db);
		return err_set(e, ERR_BROKEN,
		    "database: a transaction went on after a failure or with"
		    " a result open");
	}
	return commit(db, tx, e);
}

int
db_run(struct db *db, const struct db_tx *tx, struct err *e)
{
	int64_t began = clock_mono_ms();

	if (db->in_tx)
		return err_set(e, ERR_BROKEN,
		    "database: transaction in a transaction");
	for (unsigned int tries = 1;; tries++) {
		db->fault = DB_FAULT_NONE;
		if (try_once(db, tx, e) == 0)
			return 0;
		if (!another_try(db, tries, began, e))
			return -1;
	}
}

int
db_exec_again(struct db *db, const char *sql, const struct db_arg *args,
    size_t n, struct db_done *done, struct err *e)
{
	int64_t began = clock_mono_ms();

	if (db->in_tx)
		return err_set(e, ERR_BROKEN,
		    "database: would repeat in a transaction");
	for (unsigned int tries = 1;; tries++) {
		db->fault = DB_FAULT_NONE;
		if (db_exec(db, sql, args, n, done, e) == 0)
			return 0;
		if (!another_try(db, tries, began, e))
			return -1;
	}
}
