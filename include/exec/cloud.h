#ifndef EXEC_CLOUD_H
#define EXEC_CLOUD_H

#include <stdbool.h>
#include <stdint.h>

#include "exec/sandbox.h"
#include "util/err.h"

/*
 * cloud: the sandboxes that an E2B account has, whoever made them: for those
 * who look after what was left behind. What a sandbox is used for is
 * exec/sandbox.h.
 *
 *	cloud_open -> (cloud_list | cloud_kill | cloud_pause)* -> cloud_close
 *
 * Belongs to one process. Every call waits as long as E2B asks for it, a few
 * tries at most, and hears the host's wish to end meanwhile.
 */
#define CLOUD_ID_MAX 64
#define CLOUD_WORD_MAX 64
#define CLOUD_TIME_MAX 40

/*
 * One sandbox as the account's list shows it. Texts are printable ASCII, cut
 * to fit; "" where nothing was said.
 */
struct cloud_box {
	char id[CLOUD_ID_MAX];
	char template_id[CLOUD_WORD_MAX]; /* its name, if it has one */
	char deployment[CLOUD_WORD_MAX];  /* of the taskmill that made it */
	char started[CLOUD_TIME_MAX];     /* RFC 3339 */
	char ends[CLOUD_TIME_MAX];        /* or since when it is paused */
	bool paused;

	bool ours; /* made by the deployment that asks */

	/* Whom it was made for; false: its metadata does not say so. */
	bool marked;
	int64_t task_id;
	unsigned int attempt;
};

struct cloud;

/*
 * set and host must live as long as *c; of set only the account, the addresses
 * and the deployment count. ERR_INVALID: addresses or key cannot be right.
 */
int cloud_open(struct cloud **c, const struct sandbox_e2b *set,
    struct sandbox_host *host, struct err *e) MUST_CHECK;
void cloud_close(struct cloud *c); /* takes NULL */

/* May use the cloud. -1 with *e ends the list. */
typedef int cloud_box_fn(void *ctx, const struct cloud_box *box, struct err *e);

/*
 * Every sandbox that a taskmill has in this account, running and paused: of
 * this deployment, or of all. The service's own filter is not relied upon.
 * host->failure names what went wrong with E2B.
 */
int cloud_list(struct cloud *c, bool all_deployments, cloud_box_fn *fn,
    void *ctx, struct err *e) MUST_CHECK;

/* 0: it is gone. ERR_ABSENT: it was gone already. */
int cloud_kill(struct cloud *c, const char *id, struct err *e) MUST_CHECK;

/*
 * It stands still, costs less, and keeps all that it has, until it is killed or
 * its runner wakes it. 0 also when it is paused already. ERR_ABSENT: it is
 * gone.
 */
int cloud_pause(struct cloud *c, const char *id, struct err *e) MUST_CHECK;

/* True for what can be a sandbox's id. */
bool cloud_is_id(const char *id);

#endif
