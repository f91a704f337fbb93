#include "cmd/api_worker.h"

#include <malloc.h>
#include <sys/prctl.h>
#include <sysexits.h>

#include "api/api.h"
#include "cmd/admin.h"
#include "github/github.h"
#include "util/encode.h"
#include "util/log.h"

/* Longest wait for one read from, or write to, the web server. */
#define IO_TIMEOUT_S 10

/* Free memory above this goes back to the system. */
#define TRIM_BYTES (128 * 1024)

int
api_worker_prepare(struct config *cfg, const char *config_path,
    const char *process, struct err *e)
{
	/* One arena, and large blocks by mmap: an idle worker is small. */
	(void)mallopt(M_ARENA_MAX, 1);
	(void)mallopt(M_TRIM_THRESHOLD, TRIM_BYTES);
	(void)mallopt(M_MMAP_THRESHOLD, TRIM_BYTES);

	log_open(process, LOG_INFO);
	if (encode_init(e) != 0 || config_load(cfg, config_path, e) != 0)
		return -1;
	log_open(process, log_level_of(cfg->log_level));
	if (github_api_check(cfg->github_api_url, e) != 0 ||
	    service_check_schema(cfg, e) != 0) {
		config_clear(cfg);
		return -1;
	}
	return 0;
}

int
api_worker_log(const struct config *cfg, struct err *e)
{
	if (cfg->log_file[0] == '\0')
		return 0;
	return log_to_file(cfg->log_file, e);
}

void
api_worker_warn(const struct config *cfg)
{
	if ((cfg->ways & WAY_OPEN) != 0)
		log_line(LOG_WARN,
		    "AUTH_WAYS has \"open\": EVERY user's tokens are given to "
		    "anybody on this machine WITHOUT PROOF; for development "
		    "only");
	if (cfg->test_users)
		log_line(LOG_WARN,
		    "TEST_USERS=yes: anybody on this machine, or with the "
		    "secret, can make users; for tests only");
}

static void
handle(void *ctx, const struct http_request *rq, struct http_response *rs)
{
	api_handle(ctx, rq, rs);
}

static void
client_check(void *ctx, bool (*there)(void *), void *there_ctx)
{
	api_set_client_check(ctx, there, there_ctx);
}

int
api_worker_live(const struct config *cfg, const struct worker_place *place,
    enum api_part part)
{
	struct err e = { 0 };
	struct api *api = NULL;
	int status = EX_SOFTWARE;

	/* For people who look at a list of processes. */
	if (part == API_OUTBOUND)
		(void)prctl(PR_SET_NAME, "taskmill-out", 0L, 0L, 0L);
	log_open(part == API_OUTBOUND ? "outbound" : "api",
	    log_level_of(cfg->log_level));
	if (api_new(&api, cfg, place->board, &e) == 0) {
		const struct worker_options o = {
			.place = *place,
			.max_requests =
			    part == API_ALL ? 0 : cfg->api_max_requests,
			.body_max = (size_t)cfg->body_max_bytes,
			.io_timeout_s = IO_TIMEOUT_S,
			.log_file = cfg->log_file,
			.handle = handle,
			.client_check = client_check,
			.ctx = api,
		};

		api_take_part(api, part);
		if (worker_run(&o, &e) == 0)
			status = EX_OK;
	}
	if (status != EX_OK)
		log_err(LOG_ERROR, &e, "worker");
	api_free(api);
	return status;
}
