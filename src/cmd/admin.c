#include "cmd/admin.h"

#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "db/migrate.h"
#include "store/audit.h"
#include "util/encode.h"
#include "util/log.h"

int
admin_connect(struct admin *a, struct err *e)
{
	const struct config *c = &a->cfg;
	const struct db_options o = {
		.socket = c->db_socket,
		.host = c->db_host,
		.port = (unsigned int)c->db_port,
		.name = c->db_name,
		.user = c->db_user,
		.password = c->db_password,
		.ca_file = c->db_ca_file,
	};

	return a->db != NULL ? 0 : db_open(&a->db, &o, e);
}

void
admin_disconnect(struct admin *a)
{
	db_close(a->db);
	a->db = NULL;
}

int
admin_open(struct admin *a, const char *config_path, struct err *e)
{
	memset(a, 0, sizeof(*a));
	if (encode_init(e) == -1 || config_load(&a->cfg, config_path, e) == -1)
		return -1;
	if (admin_connect(a, e) == -1) {
		config_clear(&a->cfg);
		return -1;
	}
	return 0;
}

void
admin_close(struct admin *a)
{
	admin_disconnect(a);
	config_clear(&a->cfg);
}

int
admin_check_schema(struct admin *a, struct err *e)
{
	unsigned int version;

	if (migrate_version(a->db, &version, e) == -1)
		return -1;
	if (migrate_fits(version))
		return 0;
	return err_set(e, ERR_INVALID,
	    "the database is older than this program (version %u, needed %u): "
	    "run \"taskmill migrate\" first",
	    version, (unsigned int)SCHEMA_VERSION);
}

int
service_check_schema(const struct config *c, struct err *e)
{
	struct admin a = { .cfg = *c }; /* c's texts; cleared by its owner */
	int rc;

	if (admin_connect(&a, e) == -1)
		return -1;
	rc = admin_check_schema(&a, e);
	admin_disconnect(&a);
	if (rc == 0 || e->kind == ERR_INVALID)
		return rc;
	log_err(LOG_WARN, e, "schema not checked");
	*e = (struct err){ 0 };
	return 0;
}

int
admin_find_user(struct admin *a, const char *who, struct user_row *u,
    struct err *e)
{
	char id[UUID_TEXT];

	if (uuid_read(id, who))
		return user_find_by_id(a->db, id, u, e);
	if (user_find_by_email(a->db, who, u, e) == 0)
		return 0;
	return e->kind == ERR_ABSENT ? user_find_by_address(a->db, who, u, e)
				     : -1;
}

int
admin_audit(struct admin *a, const char *kind, const char *user_id,
    const char *detail, struct err *e)
{
	const struct audit_entry entry = { .kind = kind,
		.user_id = user_id,
		.actor = "admin",
		.detail = detail };

	if (audit_add(a->db, &entry, e) == -1)
		return err_wrap(e, "done, but not noted down in the audit log");
	return 0;
}

int
cmd_fail(const char *command, const struct err *e)
{
	static const int status[] = {
		[ERR_NONE] = EX_SOFTWARE,
		[ERR_INVALID] = EX_DATAERR,
		[ERR_UNKNOWN] = EX_NOPERM,
		[ERR_DENIED] = EX_NOPERM,
		[ERR_ABSENT] = EX_NOUSER,
		[ERR_CONFLICT] = EX_DATAERR,
		[ERR_RETRY] = EX_TEMPFAIL,
		[ERR_BROKEN] = EX_SOFTWARE,
	};
	_Static_assert(sizeof(status) / sizeof(status[0]) == ERR_KIND_N,
	    "every kind has its exit status");

	(void)fprintf(stderr, "taskmill %s: %s\n", command, e->text);
	if (strncmp(e->text, "configuration", strlen("configuration")) == 0)
		return EX_CONFIG;
	return status[e->kind];
}

int
cmd_usage(const char *usage)
{
	(void)fputs(usage, stderr);
	return EX_USAGE;
}
