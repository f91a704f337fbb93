#include "api/limits.h"

#include <string.h>

#include "api/routes.h"
#include "api/seat.h"
#include "config/config.h"
#include "store/rate.h"

#define OUTBOUND_RETRY_S 5

int
limits_user(struct call *c, const char *kind, long limit, struct err *e)
{
	uint8_t key[SHA256_BYTES];
	struct rate rate = { .kind = kind, .key = key, .limit = limit };
	unsigned int wait_s = 1;
	int got;

	sha256(key, c->user_id, strlen(c->user_id));
	got = rate_take(c->api->db, &rate, &wait_s, e);
	if (got != 0)
		return got == -1 ? -1 : 0;
	call_refuse_for(c, wait_s, "Rate limit exceeded");
	return 1;
}

int
limits_route(struct call *c, struct err *e)
{
	const struct config *cfg = c->api->cfg;

	if ((c->route->flags & STARTS_WORK) != 0)
		return limits_user(c, "start", cfg->task_starts_per_user, e);
	if ((c->route->flags & OUTBOUND) != 0)
		return limits_user(c, "github", cfg->github_calls_per_user, e);
	return 0;
}

int
limits_outbound(struct call *c, int *seat, struct err *e)
{
	const struct config *cfg = c->api->cfg;
	const struct seats own = { .state_dir = cfg->state_dir,
		.what = "outbound",
		.count = (cfg->outbound_workers + 1) / 2 };

	if ((*seat = seat_take_own(&own, c->user_id, e)) == -1)
		return -1;
	if (*seat != -2)
		return 0;
	call_refuse_for(c, OUTBOUND_RETRY_S, "Rate limit exceeded");
	return 1;
}
