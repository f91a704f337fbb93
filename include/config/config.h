#ifndef CONFIG_CONFIG_H
#define CONFIG_CONFIG_H

#include <stdbool.h>
#include <stddef.h>

#include "util/buf.h"
#include "util/err.h"
#include "util/json.h"

/* Ways to prove who one is (D9), as bits. */
enum auth_way {
	WAY_PASSWORD = 1 << 0,
	WAY_SESSION = 1 << 1, /* the cookie of our own sign-in */
	WAY_BEARER = 1 << 2,  /* an API token, or a token of a provider */
	WAY_PROXY = 1 << 3,   /* the web server's REMOTE_USER */
	WAY_OPEN = 1 << 4     /* no proof at all; this machine only */
};

/*
 * config: every setting, read once before anything is forked.
 *
 * One file of KEY=value lines ('#' begins a comment line; a value may stand in
 * double quotes), which the environment overrides. One table in config.c
 * feeds the parser, the defaults, the bounds, "taskmill check", and the manual:
 * an unknown key, a bad or missing value stops the start with its name, its
 * value (unless secret) and what would be right.
 *
 * Strings are never NULL; "" is "not set". All belong to the struct. _s is
 * seconds, _ms milliseconds, _mb MiB, _bytes bytes.
 */
struct config {
	char *file; /* where it was read from; "" when there was no file */

	/* Database */
	char *db_socket;
	char *db_host;
	long db_port;
	char *db_name;
	char *db_user;
	char *db_password; /* secret */
	char *db_ca_file;

	/* Places */
	char *state_dir;   /* spools, keys, machine id, locks; a local disk */
	char *sandbox_dir; /* workspaces; default STATE_DIR/box */
	char *share_dir;   /* agents and sandbox scripts */
	char *sql_dir;     /* migrations */

	/* Pool */
	char *api_socket;
	long api_workers;
	long api_max_requests;
	long request_limit_s;
	char *socket_group; /* of the sockets; "" leaves them */

	/* Pool of requests that wait for GitHub */
	char *outbound_socket;
	long outbound_workers;
	long outbound_limit_s;

	/* Log */
	char *log_file; /* "" is standard error */
	char *log_level;

	/* Tokens and passwords */
	char *jwt_secret; /* secret; at least 32 bytes */
	char *jwt_algorithm;
	long jwt_access_minutes;
	long jwt_refresh_days;
	long jwt_leeway_s;
	long password_memory_mb;
	long password_passes;
	long sign_ins_at_once; /* most workers hashing a password at a time */

	/* Who may sign in */
	char *environment; /* "production" or "development" */
	char *auth_ways;
	unsigned int ways; /* auth_ways as bits of enum auth_way */
	char *sign_up;     /* "closed", "invited" or "open" */
	long sign_in_tries;
	long sign_in_tries_address;
	long sign_in_tries_account;
	long audit_keep_days;
	char *cors_origins;
	char *idp_issuer; /* "": no tokens of an identity provider */
	char *idp_audience;
	char *idp_hs256_secret; /* secret */
	char *idp_jwks_file;
	char *idp_jwks_url;
	char *idp_ca_file;
	long idp_jwks_refresh_s;
	bool test_users;
	char *test_users_secret; /* secret */

	/* What a user may ask */
	char *repo_allowed_hosts;
	bool repo_allow_http;
	char *repo_ca_file;
	char *github_api_url;
	char *github_ca_file;
	long body_max_bytes;
	long prompt_max_chars;
	long tasks_live_per_user;
	long task_starts_per_user;  /* in RATE_WINDOW_S */
	long github_calls_per_user; /* likewise */

	/* Engine */
	long tasks_per_user;    /* running at a time */
	long tasks_per_machine; /* running at a time; 0: claim nothing */
	long lease_s;
	long renew_s;
	long sweep_s;
	long sweep_slack_s;
	long sweep_grace_s;
	long max_tries;
	char *retry_delays_s; /* "5,30,120" */
	long poll_ms;
	long ship_ms;
	long cancel_grace_ms;
	long disk_reserve_mb; /* below this much free nothing is claimed */

	/* Pipeline */
	long sandbox_life_s;
	long clone_limit_s;
	long agent_limit_s;
	long agent_idle_s;   /* 0: no limit */
	long agent_linger_s; /* between its last word and its end */
	long agent_install_limit_s;
	long command_limit_s;
	long output_max_bytes;
	long patch_max_bytes;
	long changed_files_max;

	/* Agents */
	char *agents;       /* that users may choose; "": as manifests say */
	char *agent_models; /* agents/agent.h reads it */
	long agent_max_turns;
	long agent_budget_cents;
	bool agent_github_token; /* they get it, too */
	char *agent_registry;

	/* Simulation: the local sandbox */
	char *simulation_isolation; /* "bwrap" or "none" */
	char *simulation_agents;    /* "simulated" or "cli" */
	bool simulation_agent_network;
	char *simulation_agent_path;
	char *sandbox_user; /* as root: who runs sandboxes */
	long sandbox_memory_mb;
	long sandbox_processes;
	long sandbox_open_files;
	long sandbox_file_mb;
	long sandbox_cpu_s;

	/* Keys of agents and providers: secrets, "" when not set */
	char *e2b_api_key;
	char *e2b_template_id;
	char *e2b_domain;
	char *e2b_api_url;
	char *e2b_sandbox_url;
	char *e2b_ca_file;
	bool e2b_allow_http;
	long e2b_create_s;
	long e2b_busy_wait_s;
	long e2b_quota_wait_s;
	long e2b_silence_s;
	long e2b_janitor_s;
	char *anthropic_api_key;
	char *openai_api_key;
	char *github_token;
};

/*
 * Loads path (NULL: $TASKMILL_CONFIG, else SYSCONFDIR/taskmill/taskmill.conf
 * if it exists), then the environment. On -1 nothing is left allocated;
 * ERR_INVALID names the setting.
 */
int config_load(struct config *c, const char *path, struct err *e) MUST_CHECK;

/* Wipes secrets and frees. Takes a zeroed struct. */
void config_clear(struct config *c);

/*
 * Writes what is in force as a JSON object, or as lines "KEY=value   # help"
 * when json is NULL; secrets appear as "(set)" or "(not set)".
 */
void config_print_json(const struct config *c, struct json_out *json);
void config_print_text(const struct config *c, struct buf *out);

/* True for the name of a setting, like "DB_PASSWORD". */
bool config_is_setting(const char *name);

/* "e2b" when E2B_API_KEY is set, else "simulation". */
const char *config_mode(const struct config *c);

/*
 * A name for this deployment, the same on all of its machines, which marks its
 * sandboxes at the provider's. Made of JWT_SECRET, which it does not betray.
 */
#define CONFIG_DEPLOYMENT 17
void config_deployment(const struct config *c, char out[CONFIG_DEPLOYMENT]);

/*
 * Delay before try number tries (1 first) from RETRY_DELAYS_S, in ms; the
 * last number serves for all later ones.
 */
unsigned int config_retry_delay_ms(const struct config *c, unsigned int tries);

/* True for an origin that stands, character by character, in CORS_ORIGINS. */
bool config_origin_listed(const struct config *c, const char *origin);

/* Where API workers find the provider's public keys: IDP_JWKS_FILE, or what
 * "taskmill jwks" fetched to STATE_DIR/jwks.json. False: nowhere. */
bool config_jwks_path(const struct config *c, char *out, size_t size);

#endif
