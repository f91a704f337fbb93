#include "http/fcgi.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "http/fcgi_private.h"
#include "util/encode.h"
#include "util/log.h"

/*
 * Where this differs from libfcgi's usual loop: the library never accepts.
 * Its slots have no listener; we accept, set the time limits, wait for the
 * first byte, and hand it the connection as if it had kept one. So no silent
 * peer can hold us, and one that stalls is cut by its time limit (F14), which
 * the library offers no chance to set before it reads. Descriptors are
 * close-on-exec from birth (F17), and there is no window between a look at a
 * flag and a blocking accept (F2).
 */

/* Memory of a large body is given back. */
#define BODY_KEEP (64u * 1024)

/*
 * The library's own waits: it would give a connection up to 2 s for its first
 * byte, and the peer up to 2 s to close (F14). The first is done here; the
 * second is useless, since we have read all that the peer sent.
 */
static int
library_start(struct err *e)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN };

	if (setenv("LIBFCGI_IS_AF_UNIX_KEEPER_POLL_TIMEOUT", "100", 1) != 0 ||
	    setenv("LIBFCGI_OS_CLOSE_POLL_TIMEOUT", "0", 1) != 0)
		return err_sys(e, ERR_RETRY, "set the environment of libfcgi");
	if (FCGX_Init() != 0)
		return err_set(e, ERR_BROKEN, "FCGX_Init failed");

	/* The library puts a handler without SA_RESTART in place of SIG_IGN. */
	if (sigaction(SIGPIPE, &ignore, NULL) != 0)
		return err_sys(e, ERR_BROKEN, "ignore SIGPIPE");
	return 0;
}

static int
set_up_waiting(struct fcgi *f, struct err *e)
{
	int flags = fcntl(f->o.listen_fd, F_GETFL);

	if (flags == -1 ||
	    fcntl(f->o.listen_fd, F_SETFL, flags | O_NONBLOCK) == -1)
		return err_sys(e, ERR_INVALID, "listening socket");
	if ((f->epoll_fd = epoll_create1(EPOLL_CLOEXEC)) == -1)
		return err_sys(e, ERR_RETRY, "epoll");
	if (slots_listen(f) != 0)
		return err_sys(e, ERR_INVALID, "wait on listening socket");
	if (f->o.lifeline_fd >= 0 &&
	    slots_watch(f, f->o.lifeline_fd, EPOLLIN, EV_LIFELINE) != 0)
		return err_sys(e, ERR_INVALID, "wait on lifeline");
	return 0;
}

int
fcgi_open(struct fcgi **f, const struct fcgi_options *o, struct err *e)
{
	struct fcgi *new;
	uint64_t stem;
	int rc = -1;

	if ((new = calloc(1, sizeof(*new))) == NULL)
		return err_set(e, ERR_RETRY, "out of memory");
	new->o = *o;
	new->epoll_fd = -1;
	new->body.max = o->body_max;
	http_response_init(&new->refusal);
	for (int i = 0; i < FCGI_SLOTS; i++)
		new->slots[i].rq.ipcFd = -1;
	random_fill(&stem, sizeof(stem));
	(void)snprintf(new->id_stem, sizeof(new->id_stem), "%016llx",
	    (unsigned long long)stem);
	if (library_start(e) != 0)
		goto out;
	for (int i = 0; i < FCGI_SLOTS; i++)
		if (FCGX_InitRequest(&new->slots[i].rq, -1,
			FCGI_FAIL_ACCEPT_ON_INTR) != 0) {
			(void)err_set(e, ERR_BROKEN, "FCGX_InitRequest failed");
			goto out;
		}
	if (set_up_waiting(new, e) != 0)
		goto out;
	*f = new;
	new = NULL;
	rc = 0;
out:
	fcgi_close(new);
	return rc;
}

static void
finish(struct fcgi *f)
{
	struct fcgi_slot *s = f->current;

	f->current = NULL;
	if (f->last_call)
		s->rq.keepConnection = 0;
	FCGX_Finish_r(&s->rq);
	if (s->rq.ipcFd < 0)
		slot_close(s);
	else
		slot_park(f, s, false);
	if (f->body.cap > BODY_KEEP)
		buf_clear(&f->body);
	if (f->o.idle != NULL)
		f->o.idle(f->o.ctx);
}

static void
refuse(struct fcgi *f, int status, const char *why)
{
	struct err e = { 0 };

	log_line(LOG_WARN,
	    "request refused status=%d why=" LOG_STR " path=" LOG_STR " id=%s",
	    status, log_str(why), log_str(f->parsed.path),
	    f->parsed.request_id);
	http_response_reset(&f->refusal);
	http_response_error(&f->refusal, status, why);
	if (fcgi_write(f, &f->refusal, &e) != 0)
		log_err(LOG_INFO, &e, "refusal id=%s", f->parsed.request_id);
	finish(f);
}

/* Reads a request from s. True with *what when there is something to tell. */
static bool
begin(struct fcgi *f, struct fcgi_slot *s, enum fcgi_event *what)
{
	const char *why;
	int status;

	if (f->o.busy != NULL)
		f->o.busy(f->o.ctx);
	s->silent = false;

	/* What makes the library read on from this connection; without it
	 * FCGX_Accept_r would close it first. */
	s->rq.keepConnection = 1;
	if (FCGX_Accept_r(&s->rq) != 0) {
		/* Not FastCGI, stalled, or gone: the library closed it, and
		 * then failed to accept from a listener that it has not. */
		slot_close(s);
		log_line(LOG_INFO, "connection dropped before its request");
		if (f->o.idle != NULL)
			f->o.idle(f->o.ctx);
		return false;
	}
	f->current = s;
	status = fcgi_read(f, &why);
	*what = FCGI_REQUEST;
	if (status != 0) {
		refuse(f, status, why);
		*what = FCGI_ANSWERED;
	}
	return true;
}

/*
 * A wait that finds work ready lets no signal in, so a worker under load would
 * never see its SIGTERM. Opens the mask for a moment if something is pending;
 * true if so.
 */
static bool
take_signals(const sigset_t *idle_mask)
{
	sigset_t pending, blocked;
	bool some = false;

	if (idle_mask == NULL || sigpending(&pending) != 0 ||
	    sigisemptyset(&pending))
		return false;
	for (int sig = 1; sig < SIGRTMIN && !some; sig++)
		some = sigismember(&pending, sig) == 1 &&
		    sigismember(idle_mask, sig) == 0;
	if (!some)
		return false;
	if (sigprocmask(SIG_SETMASK, idle_mask, &blocked) != 0)
		return false;
	(void)sigprocmask(SIG_SETMASK, &blocked, NULL);
	return true;
}

int
fcgi_wait(struct fcgi *f, enum fcgi_event *what, const struct http_request **rq,
    struct err *e)
{
	struct fcgi_slot *s;

	*rq = &f->parsed.rq;
	for (;;) {
		struct epoll_event ev;
		int n;

		/*
		 * Before the wait and not after it: the event that ended a
		 * wait has woken nobody else (EPOLLEXCLUSIVE), so it must be
		 * served even by one who is to leave.
		 */
		*what = FCGI_SIGNAL;
		if (take_signals(f->o.idle_mask))
			return 0;

		/* One event at a time: epoll goes round among the ready. */
		n = epoll_pwait(f->epoll_fd, &ev, 1, slots_prepare(f),
		    f->o.idle_mask);
		if (n == -1 && errno == EINTR)
			return 0;
		if (n == -1)
			return err_sys(e, ERR_BROKEN, "wait for a request");
		*what = FCGI_NOTHING;
		if (n == 0 && f->last_call && !slots_sweep(f))
			return 0;
		if (n == 0)
			continue;
		*what = FCGI_LIFELINE;
		if (ev.data.u32 == EV_LIFELINE)
			return 0;
		if (slots_choose(f, ev.data.u32, &s, e) != 0)
			return -1;
		if (s != NULL && begin(f, s, what))
			return 0;
	}
}

void
fcgi_last_call(struct fcgi *f, bool take_waiting)
{
	f->last_call = true;
	if (!take_waiting)
		slots_deafen(f);
	if (f->o.lifeline_fd >= 0)
		(void)epoll_ctl(f->epoll_fd, EPOLL_CTL_DEL, f->o.lifeline_fd,
		    NULL);
}

bool
fcgi_client_there(const struct fcgi *f)
{
	struct pollfd p = { -1, POLLIN | POLLRDHUP, 0 };

	if (f->current == NULL)
		return false;
	p.fd = f->current->rq.ipcFd;

	/* The body was read to its end, so anything more is an abort (F12). */
	return p.fd >= 0 && poll(&p, 1, 0) == 0;
}

int
fcgi_answer(struct fcgi *f, const struct http_response *rs, struct err *e)
{
	int rc;

	if (f->current == NULL)
		return err_set(e, ERR_BROKEN, "an answer without a request");
	rc = fcgi_write(f, rs, e);
	finish(f);
	return rc;
}

int
fcgi_status(const struct fcgi *f)
{
	return f->status;
}

void
fcgi_close(struct fcgi *f)
{
	if (f == NULL)
		return;
	if (f->current != NULL)
		finish(f);
	for (int i = 0; i < FCGI_SLOTS; i++)
		slot_close(&f->slots[i]);
	if (f->epoll_fd >= 0)
		(void)close(f->epoll_fd);
	buf_clear(&f->body);
	http_response_clear(&f->refusal);
	free(f);
}
