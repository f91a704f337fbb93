#include "exec/cloud.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "exec/e2b_list.h"

struct cloud {
	struct e2b e2b; /* of no sandbox: the account's API only */
};

struct listing {
	bool all;
	cloud_box_fn *fn;
	void *ctx;
};

int
cloud_open(struct cloud **c, const struct sandbox_e2b *set,
    struct sandbox_host *host, struct err *e)
{
	struct cloud *made = calloc(1, sizeof(*made));

	*c = NULL;
	if (made == NULL)
		return err_set(e, ERR_RETRY, "out of memory");
	made->e2b.host = host;
	host->failure = NULL;
	if (e2b_set_account(&made->e2b, set, e) == -1 ||
	    net_pool_new(&made->e2b.pool, e) == -1) {
		cloud_close(made);
		return -1;
	}
	*c = made;
	return 0;
}

void
cloud_close(struct cloud *c)
{
	if (c == NULL)
		return;
	net_pool_free(c->e2b.pool);
	explicit_bzero(c->e2b.key, sizeof(c->e2b.key));
	free(c);
}

static int
hand_over(void *ctx, const struct e2b_box *found, struct err *e)
{
	const struct listing *l = ctx;

	return l->all || found->box.ours ? l->fn(l->ctx, &found->box, e) : 0;
}

int
cloud_list(struct cloud *c, bool all_deployments, cloud_box_fn *fn, void *ctx,
    struct err *e)
{
	const struct e2b_filter filter = {
		.deployment = all_deployments ? NULL : c->e2b.set->deployment,
		.patient = true,
	};
	struct listing l = { all_deployments, fn, ctx };

	return e2b_list(&c->e2b, &filter, hand_over, &l, e);
}

int
cloud_kill(struct cloud *c, const char *id, struct err *e)
{
	int rc;

	if (!cloud_is_id(id))
		return err_set(e, ERR_INVALID, "that is no sandbox's id");
	rc = e2b_kill_id(&c->e2b, id, e);
	c->e2b.dead = false; /* of a sandbox of its own, and it has none */
	if (rc == 1)
		return err_set(e, ERR_ABSENT, "there is no sandbox %s", id);
	return rc;
}

int
cloud_pause(struct cloud *c, const char *id, struct err *e)
{
	int rc;

	if (!cloud_is_id(id))
		return err_set(e, ERR_INVALID, "that is no sandbox's id");
	(void)snprintf(c->e2b.id, sizeof(c->e2b.id), "%s", id);
	rc = e2b_suspend(&c->e2b, e);
	if (rc == -1 && c->e2b.trouble == E2B_GONE)
		err_set(e, ERR_ABSENT, "there is no sandbox %s", id);
	c->e2b.dead = false;
	c->e2b.id[0] = '\0';
	explicit_bzero(c->e2b.token, sizeof(c->e2b.token));
	return rc;
}
