#include "cmd/cmd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sysexits.h>
#include <unistd.h>

#include <linux/magic.h>

#include "agents/agent.h"
#include "auth/seal.h"
#include "cmd/admin.h"
#include "cmd/check_report.h"
#include "cmd/cloud_config.h"
#include "cmd/options.h"
#include "db/migrate.h"
#include "exec/sandbox.h"
#include "store/machine.h"
#include "util/net.h"

static const char usage[] =
    "usage: taskmill check [--json] [--online] [--config FILE]\n\n"
    "Says which mode and which settings are in force (secrets masked), and\n"
    "tries what the service depends on: database, schema, keys, state folder,\n"
    "sandbox, agents, reaper. With --online also E2B, by making a sandbox there\n"
    "and ending it. Exit status: 0 all is well (warnings may be\n"
    "there), 69 something is wrong, 78 the configuration is.\n";

/* What a packet holds beside the patch: metadata, file list, a cut diff. */
#define PACKET_REST ((uint64_t)10 << 20)

struct report {
	struct admin *a;
	bool database_there;
	bool online;
};

static void find(struct finding *f, enum verdict v, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static void
find(struct finding *f, enum verdict v, const char *fmt, ...)
{
	va_list ap;

	f->verdict = v;
	va_start(ap, fmt);
	(void)vsnprintf(f->detail, sizeof(f->detail), fmt, ap);
	va_end(ap);
}

/* True if others may read the configuration, which holds secrets. */
static bool
readable_by_all(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && (st.st_mode & S_IROTH) != 0;
}

static void
check_config(struct report *r, struct finding *f)
{
	const struct config *c = &r->a->cfg;

	if (c->file[0] == '\0')
		find(f, CHECK_WARN,
		    "there is no configuration file; defaults and the "
		    "environment are in force");
	else if (readable_by_all(c->file))
		find(f, CHECK_WARN,
		    "%s can be read by every user of this machine and holds "
		    "secrets: chmod o-r it",
		    c->file);
	else
		find(f, CHECK_OK, "%s", c->file);
}

static void
check_mode(struct report *r, struct finding *f)
{
	const struct config *c = &r->a->cfg;

	if (c->e2b_api_key[0] != '\0' && c->e2b_allow_http)
		find(f, CHECK_WARN,
		    "e2b: E2B_ALLOW_HTTP=yes: keys and tokens may travel to "
		    "other machines in the clear");
	else if (c->e2b_api_key[0] != '\0')
		find(f, CHECK_OK,
		    "e2b: E2B_API_KEY is set; real agents run in E2B's cloud");
	else
		find(f, CHECK_OK, "%s: %s", config_mode(c),
		    strcmp(c->simulation_agents, "cli") == 0
			? "E2B_API_KEY is not set; real agent command lines run in "
			  "the local sandbox"
			: "E2B_API_KEY is not set; a simulated agent runs in the "
			  "local sandbox");
}

/* The provider's keys, where they have to be fetched first. */
static bool
keys_missing(const struct config *c)
{
	char path[4096];

	return c->idp_issuer[0] != '\0' &&
	    config_jwks_path(c, path, sizeof(path)) && access(path, R_OK) == -1;
}

static void
check_sign_in(struct report *r, struct finding *f)
{
	const struct config *c = &r->a->cfg;

	if ((c->ways & WAY_OPEN) != 0)
		find(f, CHECK_WARN,
		    "AUTH_WAYS has \"open\": whoever is on this machine gets "
		    "any user's tokens without proof; for development only");
	else if (c->test_users)
		find(f, CHECK_WARN,
		    "TEST_USERS=yes: users can be made without proof; for "
		    "tests only");
	else if (keys_missing(c))
		find(f, CHECK_WARN,
		    "the keys of %s are not there yet; taskmill serve fetches "
		    "them, taskmill jwks --once does so now",
		    c->idp_issuer);
	else
		find(f, CHECK_OK, "by %s; sign-up is %s", c->auth_ways,
		    c->sign_up);
}

static int
durable(struct report *r, bool *yes, struct err *e)
{
	struct db_rows *rows = NULL;
	int rc;

	if (db_query(r->a->db,
		"SELECT @@innodb_flush_log_at_trx_commit = 1 AND"
		" @@innodb_doublewrite = 1 AND"
		" (@@log_bin = 0 OR @@sync_binlog = 1)",
		DB_NO_ARGS, &rows, e) == -1)
		return -1;
	rc = db_next(rows, e);
	if (rc == 1)
		*yes = db_col_int(rows, 0) != 0;
	db_rows_end(rows);
	return rc == 1 ? 0 : -1;
}

static void
check_database(struct report *r, struct finding *f)
{
	const struct config *c = &r->a->cfg;
	struct err e = { 0 };
	bool yes = false;

	if (db_ping(r->a->db, &e) == -1 || durable(r, &yes, &e) == -1) {
		find(f, CHECK_FAIL, "%s", e.text);
		return;
	}
	r->database_there = true;
	if (!yes)
		find(f, CHECK_WARN,
		    "reachable, but it may lose what it acknowledged: set "
		    "innodb_flush_log_at_trx_commit=1, innodb_doublewrite=ON, "
		    "sync_binlog=1");
	else if (db_max_packet(r->a->db) <
	    (uint64_t)c->patch_max_bytes + PACKET_REST)
		find(f, CHECK_WARN,
		    "max_allowed_packet is %llu MiB, so patches near "
		    "PATCH_MAX_BYTES (%ld MiB) do not fit: raise the one or "
		    "lower the other",
		    (unsigned long long)(db_max_packet(r->a->db) >> 20),
		    c->patch_max_bytes >> 20);
	else
		find(f, CHECK_OK, "%s is reachable and durable", c->db_name);
}

static void
check_schema(struct report *r, struct finding *f)
{
	struct err e = { 0 };
	unsigned int version;

	if (!r->database_there)
		find(f, CHECK_FAIL, "unknown without the database");
	else if (migrate_version(r->a->db, &version, &e) == -1)
		find(f, CHECK_FAIL, "%s", e.text);
	else if (!migrate_fits(version))
		find(f, CHECK_FAIL,
		    "version %u, and %d is needed: taskmill migrate", version,
		    SCHEMA_VERSION);
	else
		find(f, CHECK_OK, "version %u", version);
}

static void
check_keys(struct report *r, struct finding *f)
{
	struct seal_secret *secret = NULL;
	struct seal_public key;
	struct err e = { 0 };
	char dir[256];

	(void)snprintf(dir, sizeof(dir), "%s/keys", r->a->cfg.state_dir);
	if (seal_public_load(&key, dir, &e) == -1)
		find(f, CHECK_FAIL, "%s: %s", e.text,
		    e.kind == ERR_ABSENT ? "taskmill keygen" : "see keys");
	else if (seal_secret_load(&secret, dir, key.key_id, &e) == -1)
		find(f, CHECK_FAIL,
		    "%s; without it waiting tasks fail with secret_lost",
		    e.text);
	else
		find(f, CHECK_OK, "tokens are sealed with key %s", key.key_id);
	seal_secret_free(secret);
}

/* Locks and sockets are doubtful on network file systems (S7). */
static bool
is_network_fs(long type)
{
	return type == NFS_SUPER_MAGIC || type == SMB_SUPER_MAGIC ||
	    type == CODA_SUPER_MAGIC || type == AFS_SUPER_MAGIC;
}

static void
check_state(struct report *r, struct finding *f)
{
	const struct config *c = &r->a->cfg;
	unsigned long long free_mb;
	struct statfs fs;

	if (statfs(c->state_dir, &fs) == -1) {
		find(f, CHECK_FAIL, "%s: %s", c->state_dir, strerror(errno));
		return;
	}
	free_mb = ((unsigned long long)fs.f_bavail *
		      (unsigned long long)fs.f_bsize) >>
	    20;
	if (access(c->state_dir, W_OK) == -1)
		find(f, CHECK_FAIL, "%s: %s", c->state_dir, strerror(errno));
	else if (is_network_fs((long)fs.f_type))
		find(f, CHECK_FAIL,
		    "%s is on a network file system, where locks cannot be "
		    "trusted: put STATE_DIR on a local disk",
		    c->state_dir);
	else if (free_mb < (unsigned long long)c->disk_reserve_mb)
		find(f, CHECK_FAIL,
		    "%s has %llu MiB free; below DISK_RESERVE_MB=%ld no task "
		    "is started",
		    c->state_dir, free_mb, c->disk_reserve_mb);
	else
		find(f, CHECK_OK, "%s, %llu MiB free", c->state_dir, free_mb);
}

/* E2B, by making a sandbox; only when asked, since it may cost something. */
static void
check_cloud(struct report *r, struct finding *f)
{
	const struct config *c = &r->a->cfg;
	char deployment[CONFIG_DEPLOYMENT];
	struct sandbox_e2b e2b;
	struct sandbox_host host = { .wake_fd = -1 };
	const struct sandbox_spec spec = { .kind = "e2b",
		.life_s = 60,
		.e2b = &e2b,
		.host = &host,
		.share_dir = c->share_dir };
	struct err e = { 0 };
	char how[400];

	if (!r->online) {
		find(f, CHECK_OK,
		    "not tried; --online makes a sandbox at E2B and ends it");
		return;
	}
	if (cloud_config(&e2b, c, deployment, &e) == -1) {
		find(f, CHECK_FAIL, "%s", e.text);
		return;
	}
	e2b.busy_wait_s = 0; /* somebody waits for the answer */
	if (net_init(&e) == -1 ||
	    sandbox_probe(&spec, how, sizeof(how), &e) == -1)
		find(f, CHECK_FAIL, "%s", e.text);
	else
		find(f, CHECK_OK, "%s", how);
}

static void
check_sandbox(struct report *r, struct finding *f)
{
	const struct config *c = &r->a->cfg;
	const struct sandbox_spec spec = {
		.kind = "local",
		.name = "check",
		.dir = c->sandbox_dir,
		.isolation = c->simulation_isolation,
		.user = c->sandbox_user,
		.limits = {
			.memory_mb = c->sandbox_memory_mb,
			.processes = c->sandbox_processes,
			.open_files = c->sandbox_open_files,
			.file_mb = c->sandbox_file_mb,
			.cpu_s = c->sandbox_cpu_s,
		},
		.life_s = 30,
	};
	struct err e = { 0 };
	char how[400];

	if (c->e2b_api_key[0] != '\0') {
		check_cloud(r, f);
		return;
	}
	if (sandbox_probe(&spec, how, sizeof(how), &e) == -1)
		find(f, CHECK_FAIL, "%s", e.text);
	else if (strcmp(c->simulation_isolation, "none") == 0)
		find(f, CHECK_WARN,
		    "SIMULATION_ISOLATION=none: agents run as this user and "
		    "can read what this user can (%s)",
		    how);
	else
		find(f, CHECK_OK, "%s", how);
}

static void
check_agents(struct report *r, struct finding *f)
{
	struct agent_list list = { 0 };
	struct err e = { 0 };
	char names[400] = "";
	size_t used = 0;

	if (agent_models_check(r->a->cfg.agent_models, &e) == -1 ||
	    agent_list_read(&list, r->a->cfg.share_dir, &e) == -1 ||
	    agent_list_offer(&list, r->a->cfg.agents, &e) == -1) {
		agent_list_clear(&list);
		find(f, CHECK_FAIL, "%s", e.text);
		return;
	}
	for (size_t i = 0; i < list.count && used < sizeof(names); i++)
		if (!list.agents[i].hidden)
			used += (size_t)snprintf(names + used,
			    sizeof(names) - used, "%s%s", used > 0 ? ", " : "",
			    list.agents[i].name);
	if (used == 0)
		find(f, CHECK_FAIL, "there is none in %s/agents",
		    r->a->cfg.share_dir);
	else
		find(f, CHECK_OK, "%s", names);
	agent_list_clear(&list);
}

static void
check_reaper(struct report *r, struct finding *f)
{
	char trouble[MACHINE_TROUBLE_MAX];
	struct err e = { 0 };
	double age_s;

	if (!r->database_there)
		find(f, CHECK_WARN, "unknown without the database");
	else if (machine_age_s(r->a->db, &age_s, &e) == -1 ||
	    machine_trouble(r->a->db, 10, trouble, &e) == -1)
		find(f, CHECK_WARN, "%s", e.text);
	else if (age_s < 0)
		find(f, CHECK_WARN, "none was ever here: start taskmill serve");
	else if (age_s > 10)
		find(f, CHECK_WARN,
		    "none has been heard of for %.0f s: tasks wait until "
		    "taskmill serve runs",
		    age_s);
	else if (trouble[0] != '\0')
		find(f, CHECK_WARN, "it takes no tasks: %s", trouble);
	else
		find(f, CHECK_OK, "last heard of %.1f s ago", age_s);
}

/* In this order: check_database() tells the later ones whether to ask. */
static const struct {
	const char *name;
	void (*run)(struct report *r, struct finding *f);
} checks[] = {
	{ "configuration", check_config },
	{ "mode", check_mode },
	{ "sign-in", check_sign_in },
	{ "database", check_database },
	{ "schema", check_schema },
	{ "keys", check_keys },
	{ "state", check_state },
	{ "sandbox", check_sandbox },
	{ "agents", check_agents },
	{ "reaper", check_reaper },
};

#define CHECK_N (sizeof(checks) / sizeof(checks[0]))

struct check_args {
	const char *config;
	bool json;
	bool online;
};

static int
check(const struct check_args *args)
{
	struct finding found[CHECK_N];
	struct err e = { 0 };
	struct admin a;
	struct report r = { .a = &a, .online = args->online };
	bool well;

	if (admin_open(&a, args->config, &e) == -1)
		return cmd_fail("check", &e);
	for (size_t i = 0; i < CHECK_N; i++) {
		find(&found[i], CHECK_FAIL, "not looked at");
		found[i].name = checks[i].name;
		checks[i].run(&r, &found[i]);
	}
	well = check_report(&a.cfg, found, CHECK_N, args->json);
	admin_close(&a);
	return well ? EX_OK : EX_UNAVAILABLE;
}

#define AT(field) offsetof(struct check_args, field)

static const struct option_row rows[] = {
	{ "config", OPTION_TEXT, AT(config), 0, 0, 0 },
	{ "json", OPTION_FLAG, AT(json), 0, 0, 0 },
	{ "online", OPTION_FLAG, AT(online), 0, 0, 0 },
};

int
cmd_check(int argc, char **argv)
{
	static const struct command_line line = COMMAND_LINE(usage, rows);
	struct check_args args = { 0 };
	int status;

	if (!options_read_all(&line, &args, argc, argv, &status))
		return status;
	return check(&args);
}
