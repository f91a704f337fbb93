/*
 * The pool with a handler that knows no API: what the tests of pool/ and http/
 * drive through a real nginx.
 *
 *	echo_pool SOCKET SETTINGS	a master; SETTINGS is a file of
 *					"name value" lines, read again on HUP
 *	echo_pool - SETTINGS		one worker on fd 0
 *
 * Paths: /sleep?ms=, /there, /gone, /die, /big?n=, /forbidden; anything else
 *answers with what arrived.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "pool/master.h"
#include "util/encode.h"
#include "util/json.h"
#include "util/log.h"

struct settings {
	long workers;
	long request_limit_s;
	long max_requests;
	long io_timeout_s;
	long die_at_birth; /* 1: workers of this generation die at once */
	long reaper;       /* 1: with a child that stands for the reaper */
	char log_file[256];
};

struct echo {
	const char *settings_file;
	struct settings set;
	bool (*there)(void *);
	void *there_ctx;
};

static int
settings_read(struct settings *s, const char *path, struct err *e)
{
	const struct {
		const char *name;
		long *to;
	} numbers[] = {
		{ "workers", &s->workers },
		{ "request_limit_s", &s->request_limit_s },
		{ "max_requests", &s->max_requests },
		{ "io_timeout_s", &s->io_timeout_s },
		{ "die_at_birth", &s->die_at_birth },
		{ "reaper", &s->reaper },
	};
	char name[64], value[256];
	FILE *f = fopen(path, "re");

	*s = (struct settings){ .workers = 2,
		.request_limit_s = 30,
		.io_timeout_s = 10 };
	if (f == NULL)
		return err_sys(e, ERR_INVALID, "open %s", path);
	while (fscanf(f, "%63s %255s", name, value) == 2) {
		bool known = false;

		for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]);
		     i++)
			if (strcmp(name, numbers[i].name) == 0) {
				*numbers[i].to = strtol(value, NULL, 10);
				known = true;
			}
		if (strcmp(name, "log_file") == 0) {
			memcpy(s->log_file, value, sizeof(s->log_file));
			known = true;
		}
		if (!known) {
			(void)fclose(f);
			return err_set(e, ERR_INVALID, "unknown setting %s",
			    name);
		}
	}
	(void)fclose(f);
	return 0;
}

static long
number(const struct http_request *rq, const char *name)
{
	char text[16];

	if (!http_query_get(rq->query, name, text, sizeof(text)))
		return 0;
	return strtol(text, NULL, 10);
}

static void
sleep_ms(long ms)
{
	struct timespec t = { ms / 1000, ms % 1000 * 1000000 };

	while (nanosleep(&t, &t) == -1 && errno == EINTR)
		;
}

static void
big(const struct http_request *rq, struct http_response *rs)
{
	long n = number(rq, "n");

	rs->content_type = "text/plain";
	for (long i = 0; i < n; i++)
		buf_putc(&rs->body, (char)('a' + i % 26));
}

/* H1: what a confined worker must not be able to do. */
static void
forbidden(struct http_response *rs)
{
	struct json_out j;
	pid_t pid = fork();
	int fork_errno = pid == -1 ? errno : 0;

	if (pid == 0)
		_exit(0);
	if (pid > 0)
		(void)waitpid(pid, NULL, 0);
	(void)execl("/bin/true", "true", (char *)NULL);
	json_start(&j, &rs->body);
	json_open(&j);
	json_name_int(&j, "fork", fork_errno);
	json_name_int(&j, "exec", errno);
	json_close(&j);
}

static void
mirror(struct echo *s, const struct http_request *rq, struct http_response *rs)
{
	unsigned char digest[SHA256_BYTES];
	char hex[2 * SHA256_BYTES + 1];
	struct json_out j;

	sha256(digest, rq->body, rq->body_len);
	encode_hex(hex, digest, sizeof(digest));
	json_start(&j, &rs->body);
	json_open(&j);
	json_name_int(&j, "pid", getpid());
	json_name_text(&j, "method", http_method_name(rq->method));
	json_name_text(&j, "path", rq->path);
	json_name_text(&j, "query", rq->query);
	json_name_text(&j, "authorization", rq->authorization);
	json_name_text(&j, "content_type", rq->content_type);
	json_name_text(&j, "idempotency_key", rq->idempotency_key);
	json_name_text(&j, "remote_addr", rq->remote_addr);
	json_name_text(&j, "request_id", rq->request_id);
	json_name_int(&j, "body_len", (int64_t)rq->body_len);
	json_name_text(&j, "sha256", hex);
	json_name_bool(&j, "there", s->there(s->there_ctx));
	json_close(&j);
}

/* Until the client has left, or for as long as a test has patience. */
static void
wait_until_gone(const struct echo *s)
{
	for (int i = 0; i < 6000 && s->there(s->there_ctx); i++)
		sleep_ms(10);
}

static void
log_there(const struct echo *s, const struct http_request *rq)
{
	log_line(LOG_INFO, "there=%d id=%s", s->there(s->there_ctx),
	    rq->request_id);
}

static void
handle(void *ctx, const struct http_request *rq, struct http_response *rs)
{
	if (strcmp(rq->path, "/die") == 0)
		_exit(7);
	if (strcmp(rq->path, "/big") == 0) {
		big(rq, rs);
		return;
	}
	if (strcmp(rq->path, "/forbidden") == 0) {
		forbidden(rs);
		return;
	}
	if (strcmp(rq->path, "/sleep") == 0)
		sleep_ms(number(rq, "ms"));
	if (strcmp(rq->path, "/gone") == 0)
		wait_until_gone(ctx);
	if (strcmp(rq->path, "/there") == 0 || strcmp(rq->path, "/gone") == 0)
		log_there(ctx, rq);
	mirror(ctx, rq, rs);
}

static void
client_check(void *ctx, bool (*there)(void *), void *there_ctx)
{
	struct echo *s = ctx;

	s->there = there;
	s->there_ctx = there_ctx;
}

static int
worker(void *ctx, const struct worker_place *place)
{
	struct echo *s = ctx;
	struct err e = { 0 };
	const struct worker_options o = {
		.place = *place,
		.max_requests = s->set.max_requests,
		.body_max = 1024 * 1024,
		.io_timeout_s = (int)s->set.io_timeout_s,
		.log_file = s->set.log_file,
		.handle = handle,
		.client_check = client_check,
		.ctx = s,
	};

	log_open("echo-worker", LOG_INFO);
	if (s->set.die_at_birth)
		return 9;
	if (worker_run(&o, &e) != 0) {
		log_err(LOG_ERROR, &e, "worker");
		return 1;
	}
	return 0;
}

/* Stands for the reaper: sees its lifeline, leaves when that ends. */
static int
start_reaper(void *ctx, int lifeline_fd, struct proc *p, struct err *e)
{
	static const char *const argv[] = { "/bin/cat", NULL };
	const struct proc_fd fds[] = { { lifeline_fd, 0 } };
	const struct proc_spec spec = {
		.argv = argv,
		.fds = fds,
		.fd_count = 1,
	};

	(void)ctx;
	return proc_spawn(p, &spec, e);
}

static void
tell(const struct echo *s, struct master_settings *m)
{
	m->workers = (size_t)s->set.workers;
	m->request_limit_s = s->set.request_limit_s;
	m->log_file = s->set.log_file;
}

static int
reload(void *ctx, struct master_settings *m, struct err *e)
{
	struct echo *s = ctx;
	struct settings fresh;

	if (settings_read(&fresh, s->settings_file, e) != 0)
		return -1;
	s->set = fresh;
	tell(s, m);
	return 0;
}

static int
be_master(struct echo *s, const char *path, struct err *e)
{
	struct listener l = LISTENER_CLOSED;
	struct master_options o = {
		.pool = { .listener = &l, .worker = worker },
		.start_reaper = s->set.reaper ? start_reaper : NULL,
		.reload = reload,
		.ctx = s,
	};
	int rc;

	tell(s, &o.settings);
	if ((o.pool.board = scoreboard_new(e)) == NULL ||
	    listener_open(&l, path, "", e) != 0)
		return -1;
	rc = master_run(&o, e);
	listener_close(&l);
	return rc;
}

static int
be_worker(struct echo *s, struct err *e)
{
	struct worker_place place = { .listen_fd = 0, .lifeline_fd = -1 };

	if ((place.board = scoreboard_new(e)) == NULL)
		return -1;
	return worker(s, &place) == 0 ? 0 : -1;
}

int
main(int argc, char **argv)
{
	struct echo s = { 0 };
	struct err e = { 0 };
	int rc;

	log_open("echo-pool", LOG_INFO);
	if (argc != 3)
		return 64;
	s.settings_file = argv[2];
	if (encode_init(&e) != 0 ||
	    settings_read(&s.set, s.settings_file, &e) != 0)
		rc = -1;
	else if (strcmp(argv[1], "-") == 0)
		rc = be_worker(&s, &e);
	else {
		if (s.set.log_file[0] != '\0' &&
		    log_to_file(s.set.log_file, &e) != 0)
			return 78;
		rc = be_master(&s, argv[1], &e);
	}
	if (rc != 0)
		log_err(LOG_ERROR, &e, "echo_pool");
	return rc == 0 ? 0 : 1;
}
