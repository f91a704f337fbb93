#include <errno.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http/fcgi_private.h"
#include "util/clock.h"
#include "util/log.h"

/*
 * The connections of one worker: which are waited for, which wait too long,
 * and which one is next.
 */

/* A connection that sends nothing is dropped after this (F14). */
#define SILENT_MS 2000
#define SWEEP_MS 500

/* How long a worker whose slots are all taken leaves new connections to
 * others, before it gives up the connection that has been idle the longest. */
#define FULL_MS 100

/* After a shortage of descriptors or memory (F3). */
#define SHORTAGE_MS 50

int
slots_watch(struct fcgi *f, int fd, uint32_t events, uint32_t name)
{
	struct epoll_event ev = { .events = events, .data.u32 = name };

	return epoll_ctl(f->epoll_fd, EPOLL_CTL_ADD, fd, &ev);
}

/*
 * With EPOLLEXCLUSIVE one new connection wakes one idle worker, not all.
 */
int
slots_listen(struct fcgi *f)
{
	if (f->listening)
		return 0;
	if (slots_watch(f, f->o.listen_fd, EPOLLIN | EPOLLEXCLUSIVE,
		EV_LISTENER) != 0)
		return -1;
	f->listening = true;
	return 0;
}

void
slots_deafen(struct fcgi *f)
{
	if (!f->listening)
		return;
	(void)epoll_ctl(f->epoll_fd, EPOLL_CTL_DEL, f->o.listen_fd, NULL);
	f->listening = false;
}

void
slot_close(struct fcgi_slot *s)
{
	if (s->rq.ipcFd >= 0)
		(void)close(s->rq.ipcFd);
	s->rq.ipcFd = -1;
	s->rq.keepConnection = 0;
	s->silent = s->watched = false;
}

static struct fcgi_slot *
free_slot(struct fcgi *f)
{
	for (int i = 0; i < FCGI_SLOTS; i++)
		if (f->slots[i].rq.ipcFd < 0)
			return &f->slots[i];
	return NULL;
}

bool
slots_sweep(struct fcgi *f)
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
		slots_deafen(f);
		f->full_since_ms = now;
	} else if (now - f->full_since_ms >= FULL_MS && poll(&p, 1, 0) == 1)
		close_longest_idle(f);
}

int
slots_prepare(struct fcgi *f)
{
	bool silent = slots_sweep(f);
	struct err e = { 0 };

	if (f->last_call)
		return silent ? SWEEP_MS : 0;
	make_room(f);
	if (free_slot(f) == NULL)
		return FULL_MS;
	if (slots_listen(f) != 0) {
		(void)err_sys(&e, ERR_RETRY, "wait for connections");
		log_err(LOG_ERROR, &e, "listener");
		return SWEEP_MS;
	}
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

void
slot_park(struct fcgi *f, struct fcgi_slot *s, bool silent)
{
	s->silent = silent;
	s->idle_since_ms = clock_mono_ms();
	if (s->watched)
		return;
	if (slots_watch(f, s->rq.ipcFd, EPOLLIN | EPOLLRDHUP,
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
		slot_park(f, slot, true);
	else
		slot_close(slot);
	return 0;
}

int
slots_choose(struct fcgi *f, uint32_t name, struct fcgi_slot **s, struct err *e)
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
