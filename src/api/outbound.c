#include "api/outbound.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "github/github.h"
#include "util/log.h"
#include "util/net.h"

#define RETRY_UNSAID_S 10 /* when GitHub does not say how long */

struct outbound {
	struct github *github;
	struct code_host host;
};

/* What a refusal is to our client. One of 500 is our own fault (D3). */
static const int statuses[HOST_OUTCOME_N] = {
	[HOST_OK] = 500,
	[HOST_BAD_TOKEN] = 401,
	[HOST_NO_PERMISSION] = 403,
	[HOST_SSO] = 403,
	[HOST_FORBIDDEN] = 403,
	[HOST_RATE_LIMIT] = 502,
	[HOST_NOT_FOUND] = 422,
	[HOST_CONFLICT] = 409,
	[HOST_INVALID] = 422,
	[HOST_ARCHIVED] = 403,
	[HOST_BLOCKED] = 403,
	[HOST_PROTECTED] = 403,
	[HOST_UNREACHABLE] = 502,
	[HOST_TIMEOUT] = 502,
	[HOST_BROKEN] = 502,
	[HOST_INTERNAL] = 500,
};

static int
connect_host(struct api *a, struct outbound *o, struct err *e)
{
	const struct github_options options = {
		.api_url = a->cfg->github_api_url,
		.ca_file = a->cfg->github_ca_file[0] == '\0'
		    ? NULL
		    : a->cfg->github_ca_file,
	};

	if (net_init(e) == -1 || github_new(&o->github, &options, e) == -1) {
		/* A wrong setting is nothing of the client's. */
		e->kind = ERR_BROKEN;
		return -1;
	}
	github_as_host(o->github, &o->host);
	return 0;
}

int
outbound_host(struct api *a, const struct code_host **h, struct err *e)
{
	struct outbound *o = a->outbound;

	if (o == NULL) {
		if ((o = calloc(1, sizeof(*o))) == NULL)
			return err_set(e, ERR_RETRY, "out of memory");
		if (connect_host(a, o, e) == -1) {
			free(o);
			return -1;
		}
		a->outbound = o;
	}
	*h = &o->host;
	return 0;
}

void
outbound_close(struct api *a)
{
	if (a->outbound == NULL)
		return;
	github_free(a->outbound->github);
	net_end();
	free(a->outbound);
	a->outbound = NULL;
}

bool
outbound_serves(const struct code_host *h, const struct repo_url *u)
{
	return strcasecmp(u->host, h->repo_host) == 0;
}

int
outbound_status(enum host_outcome outcome)
{
	return outcome >= 0 && outcome < HOST_OUTCOME_N ? statuses[outcome]
							: 500;
}

void
outbound_text(char out[OUTBOUND_TEXT_MAX], const struct host_failure *f)
{
	(void)snprintf(out, OUTBOUND_TEXT_MAX, "%s%s%s", host_text(f->outcome),
	    f->message[0] == '\0' ? "" : ": ", f->message);
}

void
outbound_note(struct call *c, const struct host_failure *f)
{
	char seconds[16];

	log_line(LOG_WARN, "github id=%s outcome=%s status=%d text=" LOG_STR,
	    c->rq->request_id, host_outcome_name(f->outcome), f->status,
	    log_str(f->message));
	if (!host_outcome_passes(f->outcome))
		return;
	(void)snprintf(seconds, sizeof(seconds), "%d",
	    f->retry_after_s >= 0 ? f->retry_after_s : RETRY_UNSAID_S);
	http_response_header(c->rs, "Retry-After", seconds);
}

int
outbound_refuse(struct call *c, int status, const char *prefix,
    const struct host_failure *f)
{
	char text[OUTBOUND_TEXT_MAX], body[OUTBOUND_TEXT_MAX + 200];

	outbound_note(c, f);
	outbound_text(text, f);
	(void)snprintf(body, sizeof(body), "%s%s", prefix, text);
	return call_refuse(c, status,
	    status == 500 ? "Internal server error" : body);
}
