#include "api/account.h"
#include "store/audit.h"
#include "util/log.h"

void
call_note(struct call *c, const char *kind, const char *user_id,
    const char *detail)
{
	const struct audit_entry entry = {
		.kind = kind,
		.user_id = user_id,
		.actor = c->user_id[0] != '\0' ? "user" : "anonymous",
		.address = c->rq->remote_addr,
		.request_id = c->rq->request_id,
		.detail = detail,
	};
	struct err e = { 0 };

	if (audit_add(c->api->db, &entry, &e) == -1)
		log_err(LOG_ERROR, &e, "not-audited id=%s kind=%s",
		    c->rq->request_id, kind);
}
