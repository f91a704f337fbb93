#include "spool/spawn.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "spool/spool.h"

#define FDS_MAX 3

/* The answer's bytes; a pidfd comes beside them when failure is 0. */
struct answer {
	int failure;
	pid_t pid;
};

/* Room for FDS_MAX descriptors, aligned as a control message must be. */
union control {
	struct cmsghdr align;
	char bytes[CMSG_SPACE(FDS_MAX * sizeof(int))];
};

static int
send_with_fds(int sock, const void *bytes, size_t len, const int *fds,
    size_t fd_count, struct err *e)
{
	struct iovec part = { .iov_len = len };
	union control control = { 0 };
	struct msghdr m = { .msg_iov = &part, .msg_iovlen = 1 };
	struct cmsghdr *c;
	ssize_t n;

	memcpy(&part.iov_base, &bytes, sizeof(bytes)); /* sendmsg only reads */
	if (fd_count > 0) {
		m.msg_control = control.bytes;
		m.msg_controllen = CMSG_SPACE(fd_count * sizeof(int));
		if ((c = CMSG_FIRSTHDR(&m)) == NULL)
			return err_set(e, ERR_BROKEN, "no room for fds");
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(fd_count * sizeof(int));
		memcpy(CMSG_DATA(c), fds, fd_count * sizeof(int));
	}
	do
		n = sendmsg(sock, &m, MSG_NOSIGNAL);
	while (n == -1 && errno == EINTR);
	if (n == -1)
		return err_sys(e, ERR_RETRY, "the spawner does not listen");
	return 0;
}

static void
close_fds(const int *fds, size_t n)
{
	for (size_t i = 0; i < n; i++)
		(void)close(fds[i]);
}

/* Takes the descriptors out of a message; fds has room for FDS_MAX. */
static size_t
take_fds(struct msghdr *m, int *fds)
{
	size_t count = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c != NULL;
	     c = CMSG_NXTHDR(m, c)) {
		size_t n;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		if (n > FDS_MAX - count)
			n = FDS_MAX - count;
		memcpy(fds + count, CMSG_DATA(c), n * sizeof(int));
		count += n;
	}
	return count;
}

/* One message. Its length, 0 when the other side has left, -1. */
static ssize_t
receive_with_fds(int sock, void *bytes, size_t size, int fds[FDS_MAX],
    size_t *fd_count, struct err *e)
{
	struct iovec part = { .iov_base = bytes, .iov_len = size };
	union control control;
	struct msghdr m = { .msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes) };
	ssize_t n;

	*fd_count = 0;
	do
		n = recvmsg(sock, &m, MSG_CMSG_CLOEXEC);
	while (n == -1 && errno == EINTR);
	if (n == -1 && errno == ECONNRESET)
		return 0;
	if (n == -1)
		return err_sys(e, ERR_RETRY, "receive from the other side");
	*fd_count = take_fds(&m, fds);
	if (m.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) {
		close_fds(fds, *fd_count);
		*fd_count = 0;
		return err_set(e, ERR_BROKEN, "a message was cut");
	}
	return n;
}

int
spawn_request(int sock, const char *name, int spool_fd, int lock_fd,
    int secrets_fd, struct err *e)
{
	const int fds[FDS_MAX] = { spool_fd, lock_fd, secrets_fd };

	return send_with_fds(sock, name, strlen(name), fds, FDS_MAX, e);
}

int
spawn_reply(int sock, int limit_ms, pid_t *pid, int *pidfd, struct err *e)
{
	struct pollfd p = { .fd = sock, .events = POLLIN };
	struct answer a;
	int fds[FDS_MAX];
	size_t fd_count;
	ssize_t n;

	*pid = -1;
	*pidfd = -1;
	if (poll(&p, 1, limit_ms) < 1)
		return err_set(e, ERR_RETRY,
		    "the spawner did not answer within %d ms", limit_ms);
	n = receive_with_fds(sock, &a, sizeof(a), fds, &fd_count, e);
	if (n == -1)
		return -1;
	if (n == sizeof(a) && a.failure == 0 && fd_count == 1) {
		*pid = a.pid;
		*pidfd = fds[0];
		return 0;
	}
	close_fds(fds, fd_count);
	if (n == 0)
		return err_set(e, ERR_RETRY, "the spawner has gone");
	if (n != sizeof(a) || a.failure == 0)
		return err_set(e, ERR_BROKEN, "the spawner's answer is none");
	errno = a.failure;
	return err_sys(e, ERR_RETRY, "the spawner could not start a runner");
}

int
spawn_receive(int sock, struct spawn_request *rq, struct err *e)
{
	int fds[FDS_MAX];
	size_t fd_count;
	int64_t task;
	unsigned int attempt;
	ssize_t n;

	n = receive_with_fds(sock, rq->name, sizeof(rq->name) - 1, fds,
	    &fd_count, e);
	if (n <= 0)
		return (int)n;
	rq->name[n] = '\0';
	if (fd_count != FDS_MAX ||
	    !spool_name_read(rq->name, &task, &attempt)) {
		close_fds(fds, fd_count);
		return err_set(e, ERR_BROKEN, "a request to spawn is none");
	}
	rq->spool_fd = fds[0];
	rq->lock_fd = fds[1];
	rq->secrets_fd = fds[2];
	return 1;
}

int
spawn_answer(int sock, pid_t pid, int pidfd, int failure, struct err *e)
{
	const struct answer a = { .failure = failure, .pid = pid };

	return send_with_fds(sock, &a, sizeof(a), &pidfd, failure == 0 ? 1 : 0,
	    e);
}
