#include "pool/worker.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "http/fcgi.h"
#include "pool/confine.h"
#include "util/clock.h"
#include "util/encode.h"
#include "util/log.h"

/* Memory of a large answer is given back. */
#define BODY_KEEP (64u * 1024)

/* What the signals asked for; handlers can only set flags. */
static volatile sig_atomic_t stop_asked;
static volatile sig_atomic_t reopen_asked;

struct worker {
	const struct worker_options *o;
	struct fcgi *fcgi;
	struct http_response rs;
	int64_t began_us; /* of the request at work */
	uint64_t left;    /* requests until it retires */
	bool leaving;     /* takes no new connections */
	bool done;
};

static void
on_stop(int sig)
{
	(void)sig;
	stop_asked = 1;
}

static void
on_reopen(int sig)
{
	(void)sig;
	reopen_asked = 1;
}

/*
 * All signals are blocked for good but these three, which come in only while
 * we wait for a request (F1). SA_RESTART, should one come in elsewhere.
 */
static int
set_signals(sigset_t *idle_mask, struct err *e)
{
	struct sigaction stop = { .sa_handler = on_stop,
		.sa_flags = SA_RESTART };
	struct sigaction reopen = { .sa_handler = on_reopen,
		.sa_flags = SA_RESTART };

	/* A broken pipe is an error of write, not a signal that stays
	 * pending. */
	(void)sigfillset(idle_mask);
	(void)sigdelset(idle_mask, SIGPIPE);
	if (sigprocmask(SIG_SETMASK, idle_mask, NULL) != 0 ||
	    sigaction(SIGTERM, &stop, NULL) != 0 ||
	    sigaction(SIGINT, &stop, NULL) != 0 ||
	    sigaction(SIGUSR1, &reopen, NULL) != 0)
		return err_sys(e, ERR_BROKEN, "signals");
	(void)sigdelset(idle_mask, SIGTERM);
	(void)sigdelset(idle_mask, SIGINT);
	(void)sigdelset(idle_mask, SIGUSR1);
	return 0;
}

static void
busy(void *ctx)
{
	struct worker *w = ctx;

	w->began_us = clock_mono_us();
	scoreboard_state(w->o->place.board, w->o->place.slot, WORKER_BUSY);
}

static void
idle(void *ctx)
{
	struct worker *w = ctx;

	scoreboard_state(w->o->place.board, w->o->place.slot, WORKER_IDLE);
}

/* Workers that were born together must not retire together. */
static uint64_t
with_jitter(long max_requests)
{
	uint64_t most = (uint64_t)max_requests, spread = most / 5, random;

	if (max_requests <= 0)
		return UINT64_MAX;
	random_fill(&random, sizeof(random));
	return most - spread / 2 + random % (spread + 1);
}

static bool
client_there(void *ctx)
{
	return fcgi_client_there(ctx);
}

/*
 * A connection that is accepted is a promise: its request may be on its way.
 * Only when the whole pool drains are those that wait taken as well; else
 * others will.
 */
static void
leave(struct worker *w)
{
	if (w->leaving)
		return;
	w->leaving = true;
	fcgi_last_call(w->fcgi, w->o->place.board->draining);
}

static void
count(struct worker *w)
{
	scoreboard_count(w->o->place.board, w->o->place.slot,
	    fcgi_status(w->fcgi), clock_mono_us() - w->began_us);
	if (--w->left == 0) {
		log_line(LOG_INFO, "worker retires");
		leave(w);
	}
}

static void
serve(struct worker *w, const struct http_request *rq)
{
	char id[REQUEST_ID_TEXT]; /* rq is not ours once it is answered */
	struct err e = { 0 };

	(void)snprintf(id, sizeof(id), "%s", rq->request_id);
	http_response_reset(&w->rs);
	w->o->handle(w->o->ctx, rq, &w->rs);
	if (!buf_ok(&w->rs.body)) {
		log_line(LOG_ERROR, "answer too large or out of memory id=%s",
		    id);
		http_response_reset(&w->rs);
		http_response_error(&w->rs, 500, "Internal server error");
	}
	if (fcgi_answer(w->fcgi, &w->rs, &e) != 0)
		log_err(LOG_INFO, &e, "answer not taken id=%s", id);
	if (w->rs.body.cap > BODY_KEEP)
		http_response_clear(&w->rs);
	count(w);
}

static void
obey_signals(struct worker *w)
{
	struct err e = { 0 };

	if (reopen_asked) {
		reopen_asked = 0;
		if (w->o->log_file[0] != '\0' &&
		    log_to_file(w->o->log_file, &e) != 0)
			log_err(LOG_ERROR, &e, "open log again");
	}
	if (stop_asked)
		leave(w);
}

static int
step(struct worker *w, struct err *e)
{
	const struct http_request *rq;
	enum fcgi_event what;

	if (fcgi_wait(w->fcgi, &what, &rq, e) != 0)
		return -1;
	switch (what) {
	case FCGI_REQUEST:
		serve(w, rq);
		break;
	case FCGI_ANSWERED:
		count(w);
		break;
	case FCGI_SIGNAL:
		obey_signals(w);
		break;
	case FCGI_LIFELINE:
		log_line(LOG_WARN, "master is gone, leaving");
		leave(w);
		break;
	case FCGI_NOTHING:
		w->done = true;
		break;
	}
	return 0;
}

static int
prepare(struct worker *w, const sigset_t *idle_mask, struct err *e)
{
	const struct worker_options *o = w->o;
	const struct fcgi_options fo = {
		.listen_fd = o->place.listen_fd,
		.lifeline_fd = o->place.lifeline_fd,
		.idle_mask = idle_mask,
		.body_max = o->body_max,
		.io_timeout_s = o->io_timeout_s,
		.busy = busy,
		.idle = idle,
		.ctx = w,
	};
	struct err unconfined = { 0 };

	if (fcgi_open(&w->fcgi, &fo, e) != 0)
		return -1;
	if (o->client_check != NULL)
		o->client_check(o->ctx, client_there, w->fcgi);

	/* A kernel without seccomp is no reason not to serve. */
	if (confine_worker(&unconfined) != 0)
		log_err(LOG_WARN, &unconfined, "worker is not confined");
	return 0;
}

int
worker_run(const struct worker_options *o, struct err *e)
{
	struct worker w = { .o = o, .left = with_jitter(o->max_requests) };
	sigset_t idle_mask;
	int rc = -1;

	stop_asked = reopen_asked = 0;
	http_response_init(&w.rs);
	if (set_signals(&idle_mask, e) != 0 || prepare(&w, &idle_mask, e) != 0)
		goto out;
	idle(&w);
	while (!w.done)
		if (step(&w, e) != 0)
			goto out;
	rc = 0;
out:
	/* The check borrows what is freed here. */
	if (o->client_check != NULL)
		o->client_check(o->ctx, NULL, NULL);
	fcgi_close(w.fcgi);
	http_response_clear(&w.rs);
	return rc;
}
