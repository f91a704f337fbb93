#include "config/settings.h"
#include "util/text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DAY_S 86400

/* clang-format off */
const struct setting settings[] = {
#define AT(field) offsetof(struct config, field)
#define TEXT(name, field, def, min, max, help) \
	{ name, SETTING_TEXT, AT(field), def, min, max, NULL, help }
#define SECRET(name, field, min, max, help) \
	{ name, SETTING_SECRET, AT(field), "", min, max, NULL, help }
#define CHOICE(name, field, def, choices, help) \
	{ name, SETTING_CHOICE, AT(field), def, 0, 0, choices, help }
#define NUMBER(name, field, def, min, max, help) \
	{ name, SETTING_NUMBER, AT(field), def, min, max, NULL, help }
#define FLAG(name, field, def, help) \
	{ name, SETTING_FLAG, AT(field), def, 0, 1, NULL, help }

	/* Database */
	TEXT("DB_SOCKET", db_socket, "", 0, 107, "MariaDB's unix socket; empty: TCP to DB_HOST"),
	TEXT("DB_HOST", db_host, "localhost", 1, 255, "MariaDB server, when there is no DB_SOCKET"),
	NUMBER("DB_PORT", db_port, "3306", 1, 65535, "its port"),
	TEXT("DB_NAME", db_name, "taskmill", 1, 64, "database"),
	TEXT("DB_USER", db_user, "taskmill", 1, 80, "its user"),
	SECRET("DB_PASSWORD", db_password, 0, 255, "that user's password"),
	TEXT("DB_CA_FILE", db_ca_file, "", 0, 4095, "CA certificate of the database server; needed for TCP beyond this machine"),

	/* Places */
	TEXT("STATE_DIR", state_dir, TASKMILL_LOCALSTATEDIR "/lib/taskmill", 1, 80, "spools, keys, locks; on a local disk"),
	TEXT("SANDBOX_DIR", sandbox_dir, "", 0, 4095, "workspaces of local sandboxes; empty: STATE_DIR/box"),
	TEXT("SHARE_DIR", share_dir, TASKMILL_PKGDATADIR, 1, 4095, "agents and sandbox scripts"),
	TEXT("SQL_DIR", sql_dir, TASKMILL_PKGDATADIR "/sql", 1, 4095, "migrations"),

	/* Pool */
	TEXT("API_SOCKET", api_socket, "", 0, 100, "FastCGI socket; empty: STATE_DIR/api.sock"),
	TEXT("API_SOCKET_GROUP", socket_group, "", 0, 32, "group that may connect to the sockets: the web server's"),
	NUMBER("API_WORKERS", api_workers, "4", 1, 64, "FastCGI processes"),
	NUMBER("API_MAX_REQUESTS", api_max_requests, "10000", 1, 100000000, "requests after which a worker is replaced"),
	NUMBER("REQUEST_LIMIT_S", request_limit_s, "30", 1, 3600, "seconds after which a worker that is still busy is killed"),
	TEXT("OUTBOUND_SOCKET", outbound_socket, "", 0, 100, "FastCGI socket of the requests that call GitHub; empty: STATE_DIR/outbound.sock"),
	NUMBER("OUTBOUND_WORKERS", outbound_workers, "4", 1, 64, "FastCGI processes for them"),
	NUMBER("OUTBOUND_LIMIT_S", outbound_limit_s, "90", 20, 3600, "seconds after which such a worker that is still busy is killed"),

	/* Log */
	TEXT("LOG_FILE", log_file, "", 0, 4095, "log; empty: standard error. SIGUSR1 opens it again"),
	CHOICE("LOG_LEVEL", log_level, "info", "error warn info debug", "least important lines to log"),

	/* Tokens and passwords */
	SECRET("JWT_SECRET", jwt_secret, 32, 1024, "key that signs tokens; at least 32 bytes (openssl rand -hex 32)"),
	CHOICE("JWT_ALGORITHM", jwt_algorithm, "HS256", "HS256", "how tokens are signed"),
	NUMBER("JWT_ACCESS_TOKEN_EXPIRE_MINUTES", jwt_access_minutes, "60", 1, 1440, "life of an access token"),
	NUMBER("JWT_REFRESH_TOKEN_EXPIRE_DAYS", jwt_refresh_days, "7", 1, 365, "life of a refresh token"),
	NUMBER("JWT_LEEWAY_S", jwt_leeway_s, "10", 5, 30, "clock difference between machines that a token may show"),
	NUMBER("PASSWORD_MEMORY_MB", password_memory_mb, "32", 8, 1024, "memory for one password check (argon2id)"),
	NUMBER("PASSWORD_PASSES", password_passes, "2", 1, 16, "passes over that memory"),
	NUMBER("SIGN_INS_AT_ONCE", sign_ins_at_once, "1", 1, 64, "password checks at a time over all workers; keep below API_WORKERS"),

	/* Who may sign in */
	CHOICE("ENVIRONMENT", environment, "production", "production development", "development: test users may be turned on"),
	TEXT("AUTH_WAYS", auth_ways, "password,session,bearer", 1, 100, "how somebody proves who he is: password, session, bearer, proxy, open; separated by commas"),
	CHOICE("SIGN_UP", sign_up, "closed", "closed invited open", "who may make an account for himself"),
	NUMBER("SIGN_IN_TRIES", sign_in_tries, "10", 1, 1000000, "failed sign-ins to one account from one address in 15 minutes"),
	NUMBER("SIGN_IN_TRIES_ADDRESS", sign_in_tries_address, "100", 1, 1000000, "failed sign-ins from one address in 15 minutes before strangers have to wait"),
	NUMBER("SIGN_IN_TRIES_ACCOUNT", sign_in_tries_account, "300", 1, 1000000, "failed sign-ins to one account in 15 minutes before strangers have to wait"),
	NUMBER("AUDIT_KEEP_DAYS", audit_keep_days, "400", 1, 36500, "how long the audit log is kept"),
	TEXT("CORS_ORIGINS", cors_origins, "", 0, 4095, "origins of other sites whose pages may call, separated by commas"),
	TEXT("IDP_ISSUER", idp_issuer, "", 0, 200, "iss of the identity provider's tokens; empty: none are taken"),
	TEXT("IDP_AUDIENCE", idp_audience, "", 0, 200, "aud that they must have"),
	SECRET("IDP_HS256_SECRET", idp_hs256_secret, 0, 1024, "secret that the provider signs with, at least 32 bytes"),
	TEXT("IDP_JWKS_FILE", idp_jwks_file, "", 0, 4095, "file with the provider's public keys (JWKS)"),
	TEXT("IDP_JWKS_URL", idp_jwks_url, "", 0, 1024, "URL where the provider publishes them"),
	TEXT("IDP_CA_FILE", idp_ca_file, "", 0, 4095, "CA certificates for that URL; empty: the system's"),
	NUMBER("IDP_JWKS_REFRESH_S", idp_jwks_refresh_s, "600", 1, DAY_S, "how often it is fetched"),
	FLAG("TEST_USERS", test_users, "no", "routes that make users for automated tests; needs ENVIRONMENT=development"),
	SECRET("TEST_USERS_SECRET", test_users_secret, 0, 255, "header X-Test-Users-Secret that lets other machines use them, at least 16 bytes"),

	/* What a user may ask */
	TEXT("REPO_ALLOWED_HOSTS", repo_allowed_hosts, "github.com", 1, 4095, "hosts of repositories, host or host:port, separated by commas"),
	FLAG("REPO_ALLOW_HTTP", repo_allow_http, "no", "repositories over http without TLS too"),
	TEXT("REPO_CA_FILE", repo_ca_file, "", 0, 4095, "CA certificates for those hosts; empty: the system's"),
	TEXT("GITHUB_API_URL", github_api_url, "https://api.github.com", 1, 512, "GitHub's REST API; GitHub Enterprise Server has https://HOST/api/v3, TENANT.ghe.com https://api.TENANT.ghe.com"),
	TEXT("GITHUB_CA_FILE", github_ca_file, "", 0, 4095, "CA certificates for it; empty: the system's"),
	NUMBER("BODY_MAX_BYTES", body_max_bytes, "1048576", 1024, 16777216, "largest request body; nginx has its own limit"),
	NUMBER("PROMPT_MAX_CHARS", prompt_max_chars, "10000", 1, 16000, "longest prompt, in characters"),
	NUMBER("TASKS_LIVE_PER_USER", tasks_live_per_user, "100", 1, 1000000, "pending and running tasks of one user"),
	NUMBER("TASK_STARTS_PER_USER", task_starts_per_user, "300", 1, 1000000, "tasks that one user may start in 15 minutes"),
	NUMBER("GITHUB_CALLS_PER_USER", github_calls_per_user, "300", 1, 1000000, "validate-token and create-pr of one user in 15 minutes"),

	/* Engine */
	NUMBER("TASKS_PER_USER", tasks_per_user, "4", 1, 10000, "running tasks of one user"),
	NUMBER("TASKS_PER_MACHINE", tasks_per_machine, "8", 0, 10000, "running tasks on this machine; 0: start none"),
	NUMBER("LEASE_S", lease_s, "60", 3, 3600, "a machine that is silent for so long loses its tasks"),
	NUMBER("RENEW_S", renew_s, "10", 1, 1200, "how often a lease is renewed; less than a third of LEASE_S"),
	NUMBER("SWEEP_S", sweep_s, "5", 1, 600, "how often other machines' leases are looked at"),
	NUMBER("SWEEP_SLACK_S", sweep_slack_s, "5", 0, 600, "how long after its end a lease is taken as over"),
	NUMBER("SWEEP_GRACE_S", sweep_grace_s, "30", 0, 600, "no sweep so long after a new database connection"),
	NUMBER("MAX_TRIES", max_tries, "3", 1, 100, "attempts before a task that keeps being lost fails"),
	TEXT("RETRY_DELAYS_S", retry_delays_s, "5,30,120", 1, 100, "seconds before each next try, separated by commas"),
	NUMBER("POLL_MS", poll_ms, "1000", 50, 60000, "how often the reaper looks for tasks unasked"),
	NUMBER("SHIP_MS", ship_ms, "200", 20, 10000, "how often output goes to the database"),
	NUMBER("CANCEL_GRACE_MS", cancel_grace_ms, "2000", 0, 60000, "between asking a run to stop and killing it"),
	NUMBER("DISK_RESERVE_MB", disk_reserve_mb, "256", 0, 1048576, "no task is started with less free space in STATE_DIR"),

	/* Pipeline */
	NUMBER("SANDBOX_LIFE_S", sandbox_life_s, "600", 10, DAY_S, "life of a sandbox"),
	NUMBER("CLONE_TIMEOUT_S", clone_limit_s, "60", 1, DAY_S, "for the clone"),
	NUMBER("AGENT_TIMEOUT_S", agent_limit_s, "300", 1, DAY_S, "for the agent"),
	NUMBER("AGENT_IDLE_S", agent_idle_s, "180", 0, DAY_S, "an agent that prints nothing for so long is stopped; 0: never"),
	NUMBER("AGENT_LINGER_S", agent_linger_s, "10", 1, 600, "between an agent's last word and its end, which is then brought about"),
	NUMBER("AGENT_INSTALL_TIMEOUT_S", agent_install_limit_s, "120", 1, DAY_S, "for the installation of an agent that a cloud sandbox lacks"),
	NUMBER("COMMAND_TIMEOUT_S", command_limit_s, "30", 1, DAY_S, "for every other command"),
	NUMBER("OUTPUT_MAX_BYTES", output_max_bytes, "10485760", 1024, 1073741824, "agent output that is kept; the rest is dropped"),
	NUMBER("PATCH_MAX_BYTES", patch_max_bytes, "52428800", 1024, 1073741824, "largest patch; also bounded by MariaDB's max_allowed_packet"),
	NUMBER("CHANGED_FILES_MAX", changed_files_max, "10000", 1, 1000000, "most files a task may change"),

	/* Agents */
	TEXT("AGENTS", agents, "", 0, 1000, "agents that users may choose, separated by commas; empty: all but those that are marked hidden"),
	TEXT("AGENT_MODELS", agent_models, "", 0, 4095, "models of agents, as claude=sonnet,claude=opus,codex=gpt-5-codex: the first of an agent is its default, and agent_model must be one of them"),
	NUMBER("AGENT_MAX_TURNS", agent_max_turns, "0", 0, 100000, "turns of an agent that can count them; 0: as many as it likes"),
	NUMBER("AGENT_BUDGET_CENTS", agent_budget_cents, "0", 0, 10000000, "US cents that a task of an agent which knows prices may cost; 0: no limit"),
	FLAG("AGENT_GITHUB_TOKEN", agent_github_token, "no", "an agent gets the token of the repository, too, as GITHUB_TOKEN"),
	TEXT("AGENT_REGISTRY", agent_registry, "https://registry.npmjs.org", 1, 512, "npm registry that agents are installed from"),

	/* Simulation */
	CHOICE("SIMULATION_ISOLATION", simulation_isolation, "bwrap", "bwrap none", "none: plain subprocesses, only where bubblewrap cannot work and users are trusted"),
	CHOICE("SIMULATION_AGENTS", simulation_agents, "simulated", "simulated cli", "cli: run the agents' real command lines in the local sandbox"),
	FLAG("SIMULATION_AGENT_NETWORK", simulation_agent_network, "no", "a simulated agent may use the network; a real one as its manifest says"),
	TEXT("SIMULATION_AGENT_PATH", simulation_agent_path, "", 0, 4095, "folders with agents' programs beside /usr, separated by colons; local agents see them, read-only, and search them first"),
	TEXT("SANDBOX_USER", sandbox_user, "nobody", 1, 32, "who runs sandboxes when the reaper is root"),
	NUMBER("SANDBOX_MEMORY_MB", sandbox_memory_mb, "2048", 16, 1048576, "data memory of one process in a sandbox"),
	NUMBER("SANDBOX_PROCESSES", sandbox_processes, "512", 8, 1000000, "processes in one sandbox; without isolation, of the user who runs them"),
	NUMBER("SANDBOX_OPEN_FILES", sandbox_open_files, "1024", 16, 1048576, "open files of one process in a sandbox"),
	NUMBER("SANDBOX_FILE_MB", sandbox_file_mb, "1024", 1, 1048576, "largest file in a sandbox"),
	NUMBER("SANDBOX_CPU_S", sandbox_cpu_s, "600", 1, DAY_S, "processor time of one process in a sandbox"),

	/* Keys */
	SECRET("E2B_API_KEY", e2b_api_key, 0, 512, "set: tasks run in E2B cloud sandboxes; empty: simulation"),
	TEXT("E2B_TEMPLATE_ID", e2b_template_id, "base", 0, 128, "E2B template of the sandboxes; empty: base"),
	TEXT("E2B_DOMAIN", e2b_domain, "e2b.app", 0, 200, "domain that E2B's URLs are made of; empty: e2b.app"),
	TEXT("E2B_API_URL", e2b_api_url, "", 0, 512, "E2B's API; empty: https://api.E2B_DOMAIN"),
	TEXT("E2B_SANDBOX_URL", e2b_sandbox_url, "", 0, 512, "where all sandboxes are reached; empty: made of E2B_DOMAIN"),
	TEXT("E2B_CA_FILE", e2b_ca_file, "", 0, 4095, "CA certificates for both; empty: the system's"),
	FLAG("E2B_ALLOW_HTTP", e2b_allow_http, "no", "both also over http without TLS to other machines"),
	NUMBER("E2B_CREATE_TIMEOUT_S", e2b_create_s, "90", 1, 600, "for one request to make a sandbox"),
	NUMBER("E2B_BUSY_WAIT_S", e2b_busy_wait_s, "300", 1, DAY_S, "how long a task tries to get a sandbox while E2B has no room or is away"),
	NUMBER("E2B_QUOTA_WAIT_S", e2b_quota_wait_s, "900", 1, DAY_S, "how long a task waits while the account runs as many sandboxes as it may"),
	NUMBER("E2B_JANITOR_S", e2b_janitor_s, "60", 1, 3600, "how often sandboxes that no task owns are looked for"),
	NUMBER("E2B_SILENCE_S", e2b_silence_s, "100", 6, 600, "a connection to a sandbox without a byte for so long is dead"),
	SECRET("ANTHROPIC_API_KEY", anthropic_api_key, 0, 512, "for agents that name it in their manifest"),
	SECRET("OPENAI_API_KEY", openai_api_key, 0, 512, "for agents that name it in their manifest"),
	SECRET("GITHUB_TOKEN", github_token, 0, 1024, "kept from the old configuration; users send their own"),
#undef AT
#undef TEXT
#undef SECRET
#undef CHOICE
#undef NUMBER
#undef FLAG
};
/* clang-format on */

const size_t setting_count = sizeof(settings) / sizeof(settings[0]);

static const char *const yes[] = { "yes", "true", "1", "on" };
static const char *const no[] = { "no", "false", "0", "off" };

const struct setting *
setting_find(const char *name, size_t len)
{
	for (size_t i = 0; i < setting_count; i++)
		if (strlen(settings[i].name) == len &&
		    memcmp(settings[i].name, name, len) == 0)
			return &settings[i];
	return NULL;
}

static void *
field(struct config *c, const struct setting *s)
{
	return (char *)c + s->at;
}

static const void *
field_const(const struct config *c, const struct setting *s)
{
	return (const char *)c + s->at;
}

static bool
among(const char *const *words, size_t n, const char *text)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(words[i], text) == 0)
			return true;
	return false;
}

/* True if text is one of the blank-separated words. */
static bool
is_choice(const char *words, const char *text)
{
	size_t len = strlen(text);

	for (const char *p = words; *p != '\0';) {
		size_t n = strcspn(p, " ");

		if (n == len && memcmp(p, text, n) == 0)
			return true;
		p += n;
		p += strspn(p, " ");
	}
	return false;
}

static int
put_string(struct config *c, const struct setting *s, const char *text,
    struct err *e)
{
	char **at = field(c, s);

	if (s->kind == SETTING_SECRET && *at != NULL)
		explicit_bzero(*at, strlen(*at));
	return text_set(at, text, e);
}

static int
put_text(struct config *c, const struct setting *s, const char *text,
    struct err *e)
{
	size_t len = strlen(text);

	if (len < (size_t)s->min || len > (size_t)s->max) {
		if (s->min > 0 && len == 0)
			return err_set(e, ERR_INVALID, "%s is not set: %s",
			    s->name, s->help);
		return err_set(e, ERR_INVALID,
		    "%s has %zu bytes, and %ld to %ld are allowed: %s", s->name,
		    len, s->min, s->max, s->help);
	}
	return put_string(c, s, text, e);
}

static int
put_number(struct config *c, const struct setting *s, const char *text,
    struct err *e)
{
	char *end;
	long n;

	errno = 0;
	n = strtol(text, &end, 10);
	if (end == text || *end != '\0' || errno != 0 || n < s->min ||
	    n > s->max)
		return err_set(e, ERR_INVALID,
		    "%s=%.60s is not a number from %ld to %ld: %s", s->name,
		    text, s->min, s->max, s->help);
	*(long *)field(c, s) = n;
	return 0;
}

static int
put_flag(struct config *c, const struct setting *s, const char *text,
    struct err *e)
{
	bool on = among(yes, sizeof(yes) / sizeof(yes[0]), text);

	if (!on && !among(no, sizeof(no) / sizeof(no[0]), text))
		return err_set(e, ERR_INVALID,
		    "%s=%.60s is neither yes nor no: %s", s->name, text,
		    s->help);
	*(bool *)field(c, s) = on;
	return 0;
}

int
setting_put(struct config *c, const struct setting *s, const char *text,
    struct err *e)
{
	switch (s->kind) {
	case SETTING_TEXT:
	case SETTING_SECRET:
		return put_text(c, s, text, e);
	case SETTING_CHOICE:
		if (!is_choice(s->choices, text))
			return err_set(e, ERR_INVALID,
			    "%s=%.60s is none of: %s (%s)", s->name, text,
			    s->choices, s->help);
		return put_string(c, s, text, e);
	case SETTING_NUMBER:
		return put_number(c, s, text, e);
	case SETTING_FLAG:
		return put_flag(c, s, text, e);
	}
	return err_set(e, ERR_BROKEN, "%s has no kind", s->name);
}

int
setting_put_default(struct config *c, const struct setting *s, struct err *e)
{
	if (s->kind == SETTING_SECRET)
		return put_string(c, s, "", e);
	return setting_put(c, s, s->def, e);
}

const char *
setting_show(const struct config *c, const struct setting *s, char out[64])
{
	const void *at = field_const(c, s);
	const char *text;

	switch (s->kind) {
	case SETTING_NUMBER:
		(void)snprintf(out, 64, "%ld", *(const long *)at);
		return out;
	case SETTING_FLAG:
		return *(const bool *)at ? "yes" : "no";
	case SETTING_SECRET:
		text = *(char *const *)at;
		return text[0] != '\0' ? "(set)" : "(not set)";
	case SETTING_TEXT:
	case SETTING_CHOICE:
		break;
	}
	return *(char *const *)at;
}

void
setting_clear(struct config *c, const struct setting *s)
{
	char **at = field(c, s);

	if (s->kind == SETTING_NUMBER || s->kind == SETTING_FLAG)
		return;
	if (s->kind == SETTING_SECRET && *at != NULL)
		explicit_bzero(*at, strlen(*at));
	free(*at);
	*at = NULL;
}
