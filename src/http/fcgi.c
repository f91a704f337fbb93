#include "http/fcgi.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "http/fcgi_private.h"
#include "util/clock.h"
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

/* Names of what epoll reports; below them, the number of a slot. */
#define EV_LISTENER FCGI_SLOTS
#define EV_LIFELINE (FCGI_SLOTS + 1)

/* A connection that sends nothing is dropped after this (F14). */
#define SILENT_MS 2000
#define SWEEP_MS 500

/* How long a worker whose slots are all taken leaves new connections to
 * others, before it gives up the connection that has been idle the longest. */
#define FULL_MS 100

/* After a shortage of descriptors or memory (F3). */
#define SHORTAGE_MS 50

/* Memory of a large body is given back. */
#define BODY_KEEP (64u * 1024)

static int
watch(struct fcgi *f, int fd, uint32_t events, uint32_t name)
{
	struct epoll_event ev = { .events = events, .data.u32 = name };

	return epoll_ctl(f->epoll_fd, EPOLL_CTL_ADD, fd, &ev);
}

/*
 * With EPOLLEXCLUSIVE one new connection wakes one idle worker, not all.
 */
static int
listen_on(struct fcgi *f)
{
	if (f->listening)
		return 0;
	if (watch(f, f->o.listen_fd, EPOLLIN | EPOLLEXCLUSIVE, EV_LISTENER) !=
	    0)
		return -1;
	f->listening = true;
	return 0;
}

static void
listen_off(struct fcgi *f)
{
	if (!f->listening)
		return;
	(void)epoll_ctl(f->epoll_fd, EPOLL_CTL_DEL, f->o.listen_fd, NULL);
	f->listening = false;
}

static void
slot_close(struct fcgi_slot *s)
{
	if (s->rq.ipcFd >= 0)
		(void)close(s->rq.ipcFd);
	s->rq.ipcFd = -1;
	s->rq.keepConnection = 0;
	s->silent = s->watched = false;
}

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
	if (listen_on(f) != 0)
		return err_sys(e, ERR_INVALID, "wait on listening socket");
	if (f->o.lifeline_fd >= 0 &&
	    watch(f, f->o.lifeline_fd, EPOLLIN, EV_LIFELINE) != 0)
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

static struct fcgi_slot *
free_slot(struct fcgi *f)
{
	for (int i = 0; i < FCGI_SLOTS; i++)
		if (f->slots[i].rq.ipcFd < 0)
			return &f->slots[i];
	return NULL;
}

/* Drops peers that never spoke; true if some may still be waited for. */
static bool
sweep_silent(struct fcgi *f)
{
	int64_t now = clock_mono_ms();
	bool some = false;

	for (int i = 0; i < FCGI_SLOTS; i++) {
		struct fcgi_slot *s = &f->slots[i];

		if (!s->silent)
			continue;
		if (now - s->idle_since_ms >= SILENT_MS)
			slot_close(s);
		else
			some = true;
	}
	return some;
}

static void
close_longest_idle(struct fcgi *f)
{
	struct fcgi_slot *oldest = &f->slots[0];

	for (int i = 1; i < FCGI_SLOTS; i++)
		if (f->slots[i].idle_since_ms < oldest->idle_since_ms)
			oldest = &f->slots[i];
	slot_close(oldest);
}

/*
 * While all slots are taken by connections that nginx keeps, others may take
 * new ones. If after a moment one still waits, then all workers are full and
 * an idle connection has to go, or the pool would starve (F4).
 */
static void
make_room(struct fcgi *f)
{
	struct pollfd p = { f->o.listen_fd, POLLIN, 0 };
	int64_t now = clock_mono_ms();

	if (free_slot(f) != NULL)
		return;
	if (f->listening) {
		listen_off(f);
		f->full_since_ms = now;
	} else if (now - f->full_since_ms >= FULL_MS && poll(&p, 1, 0) == 1)
		close_longest_idle(f);
}

/* Returns the limit for one wait in ms, -1 for none. */
static int
prepare_wait(struct fcgi *f, struct err *e)
{
	bool silent = sweep_silent(f);

	if (f->last_call)
		return silent ? SWEEP_MS : 0;
	make_room(f);
	if (free_slot(f) == NULL)
		return FULL_MS;
	if (listen_on(f) != 0)
		log_err(LOG_ERROR, e, "listen");
	return silent ? SWEEP_MS : -1;
}

/* 1: something to read on s; 0: nothing yet; -1: the peer is gone. */
static int
peek(const struct fcgi_slot *s)
{
	char c;
	ssize_t n = recv(s->rq.ipcFd, &c, 1, MSG_PEEK | MSG_DONTWAIT);

	if (n > 0)
		return 1;
	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return 0;
	return -1;
}

/* Leaves an open connection to the epoll set until it has something. */
static void
park(struct fcgi *f, struct fcgi_slot *s, bool silent)
{
	s->silent = silent;
	s->idle_since_ms = clock_mono_ms();
	if (s->watched)
		return;
	if (watch(f, s->rq.ipcFd, EPOLLIN | EPOLLRDHUP,
		(uint32_t)(s - f->slots)) != 0) {
		slot_close(s);
		return;
	}
	s->watched = true;
}

/* errnos of accept that are this connection's or this moment's trouble. */
static bool
accept_may_work_later(int error)
{
	switch (error) {
	case EAGAIN:
	case EINTR:
	case ECONNABORTED:
	case EPROTO:
	case EPERM:
		return true;
	case EMFILE:
	case ENFILE:
	case ENOMEM:
	case ENOBUFS:
		(void)poll(NULL, 0, SHORTAGE_MS);
		return true;
	default:
		return false;
	}
}

/*
 * Takes a new connection. *s is its slot when a request can be read from it
 * now, NULL otherwise. -1: the listener is broken.
 */
static int
take_connection(struct fcgi *f, struct fcgi_slot **s, struct err *e)
{
	struct timeval limit = { .tv_sec = f->o.io_timeout_s };
	struct fcgi_slot *slot = free_slot(f);
	int fd, got;

	*s = NULL;
	if (slot == NULL)
		return 0;
	fd = accept4(f->o.listen_fd, NULL, NULL, SOCK_CLOEXEC);
	if (fd == -1) {
		if (accept_may_work_later(errno))
			return 0;
		return err_sys(e, ERR_BROKEN, "accept");
	}
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	slot->rq.ipcFd = fd;
	got = peek(slot);
	if (got > 0)
		*s = slot;
	else if (got == 0)
		park(f, slot, true);
	else
		slot_close(slot);
	return 0;
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
		park(f, s, false);
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

/* Something about slot or listener: *s is a slot with a request, or NULL. */
static int
choose(struct fcgi *f, uint32_t name, struct fcgi_slot **s, struct err *e)
{
	int got;

	if (name == EV_LISTENER)
		return take_connection(f, s, e);
	*s = &f->slots[name];
	if ((*s)->rq.ipcFd < 0) {
		*s = NULL;
		return 0;
	}
	got = peek(*s);
	if (got < 0)
		slot_close(*s);
	if (got <= 0)
		*s = NULL;
	return 0;
}

int
fcgi_wait(struct fcgi *f, enum fcgi_event *what, const struct http_request **rq,
    struct err *e)
{
	struct fcgi_slot *s;

	*rq = &f->parsed.rq;
	for (;;) {
		/* One event at a time: epoll goes round among the ready. */
		struct epoll_event ev;
		int n = epoll_pwait(f->epoll_fd, &ev, 1, prepare_wait(f, e),
		    f->o.idle_mask);

		*what = FCGI_SIGNAL;
		if (n == -1 && errno == EINTR)
			return 0;
		if (n == -1)
			return err_sys(e, ERR_BROKEN, "wait for a request");
		*what = FCGI_NOTHING;
		if (n == 0 && f->last_call && !sweep_silent(f))
			return 0;
		if (n == 0)
			continue;
		*what = FCGI_SIGNAL;
		if (take_signals(f->o.idle_mask))
			return 0;
		*what = FCGI_LIFELINE;
		if (ev.data.u32 == EV_LIFELINE)
			return 0;
		if (choose(f, ev.data.u32, &s, e) != 0)
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
		listen_off(f);
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
