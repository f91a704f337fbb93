#include "store/sign_in.h"

#include <string.h>

void
sign_in_args(struct db_arg args[SIGN_IN_ARGS], const struct sign_in *s)
{
	args[0] = db_arg_uint(s->epoch);
	args[1] = db_arg_bytes(s->family, sizeof(s->family));
	args[2] =
	    s->api_token_id != 0 ? db_arg_int(s->api_token_id) : db_arg_null();
	args[3] = s->ends_s != 0 ? db_arg_int(s->ends_s) : db_arg_null();
}

void
sign_in_fill(struct sign_in *s, struct db_rows *rows, unsigned int first)
{
	const char *family;
	size_t len;

	memset(s, 0, sizeof(*s));
	s->epoch = db_col_uint(rows, first);
	family = db_col_bytes(rows, first + 1, &len);
	if (len == sizeof(s->family))
		memcpy(s->family, family, len);
	s->api_token_id = db_col_int(rows, first + 2);
	s->ends_s = db_col_int(rows, first + 3);
}

/* What the user himself sees of his row has not changed. */
int
sign_in_end_all(struct db *db, const char *user_id, struct err *e)
{
	const struct db_arg args[] = { db_arg_text(user_id) };

	return db_exec(db,
	    "UPDATE users SET sign_in_epoch = sign_in_epoch + 1,"
	    " updated_at = updated_at WHERE id = ?",
	    DB_ARGS(args), NULL, e);
}
