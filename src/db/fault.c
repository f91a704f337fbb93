#include <errmsg.h>
#include <mysqld_error.h>
#include <string.h>

#include "db/impl.h"

/* clang-format off */

/* Trap C17; what is not here is never tried again. */
static const struct {
	unsigned int code;
	enum db_fault fault;
} faults[] = {
	{ ER_DUP_ENTRY, DB_FAULT_CONFLICT },

	{ ER_LOCK_DEADLOCK, DB_FAULT_AGAIN },
	{ ER_LOCK_WAIT_TIMEOUT, DB_FAULT_AGAIN },
	{ ER_CHECKREAD, DB_FAULT_AGAIN },          /* 1020, snapshot isolation */
	{ ER_UNKNOWN_COM_ERROR, DB_FAULT_AGAIN },  /* 1047, Galera: no quorum */
	{ ER_ERROR_DURING_COMMIT, DB_FAULT_AGAIN },
	{ ER_QUERY_INTERRUPTED, DB_FAULT_AGAIN },

	{ ER_STATEMENT_TIMEOUT, DB_FAULT_SLOW },

	{ ER_CON_COUNT_ERROR, DB_FAULT_BUSY },
	{ ER_TOO_MANY_USER_CONNECTIONS, DB_FAULT_BUSY },
	{ ER_USER_LIMIT_REACHED, DB_FAULT_BUSY },
	{ ER_MAX_PREPARED_STMT_COUNT_REACHED, DB_FAULT_BUSY },
	{ ER_DISK_FULL, DB_FAULT_BUSY },
	{ ER_RECORD_FILE_FULL, DB_FAULT_BUSY },
	{ ER_OUTOFMEMORY, DB_FAULT_BUSY },
	{ ER_OUT_OF_RESOURCES, DB_FAULT_BUSY },

	{ CR_CONNECTION_ERROR, DB_FAULT_AWAY },
	{ CR_CONN_HOST_ERROR, DB_FAULT_AWAY },
	{ CR_UNKNOWN_HOST, DB_FAULT_AWAY },
	{ CR_SERVER_GONE_ERROR, DB_FAULT_LOST },
	{ CR_SERVER_LOST, DB_FAULT_LOST },
	{ CR_SERVER_LOST_EXTENDED, DB_FAULT_LOST },
	{ ER_SERVER_SHUTDOWN, DB_FAULT_LOST },
	{ ER_CONNECTION_KILLED, DB_FAULT_LOST },
	{ ER_OPTION_PREVENTS_STATEMENT, DB_FAULT_LOST }, /* read-only: failed over */
	{ ER_READ_ONLY_MODE, DB_FAULT_LOST },
	{ ER_UNKNOWN_STMT_HANDLER, DB_FAULT_LOST },
	{ ER_NET_READ_ERROR, DB_FAULT_LOST },
	{ ER_NET_READ_INTERRUPTED, DB_FAULT_LOST },
	{ ER_NET_ERROR_ON_WRITE, DB_FAULT_LOST },
	{ ER_NET_WRITE_INTERRUPTED, DB_FAULT_LOST },
};

/* clang-format on */

enum db_fault
db_fault_of(unsigned int code)
{
	if (code == 0)
		return DB_FAULT_NONE;
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
		if (faults[i].code == code)
			return faults[i].fault;
	return DB_FAULT_FATAL;
}

static enum err_kind
kind_of(enum db_fault fault)
{
	switch (fault) {
	case DB_FAULT_CONFLICT:
		return ERR_CONFLICT;
	case DB_FAULT_AGAIN:
	case DB_FAULT_SLOW:
	case DB_FAULT_BUSY:
	case DB_FAULT_LOST:
	case DB_FAULT_AWAY:
		return ERR_RETRY;
	case DB_FAULT_NONE:
	case DB_FAULT_FATAL:
		break;
	}
	return ERR_BROKEN;
}

int
db_failed(struct db *db, unsigned int code, const char *text, struct err *e)
{
	const char *key;

	db->code = code;
	db->fault = db_fault_of(code);
	db->tx_failed = true;

	/* The server quotes the value, which may be somebody's address. */
	if (db->fault == DB_FAULT_CONFLICT) {
		key = strstr(text, " for key ");
		(void)err_set(e, ERR_CONFLICT, "database: duplicate entry%s",
		    key == NULL ? "" : key);
	} else {
		(void)err_set(e, kind_of(db->fault), "database: %s (%u)", text,
		    code);
	}
	if (db->fault == DB_FAULT_LOST || code == CR_COMMANDS_OUT_OF_SYNC ||
	    code == CR_MALFORMED_PACKET)
		db_disconnect(db);
	return -1;
}
