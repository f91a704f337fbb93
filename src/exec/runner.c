#include "exec/runner.h"

#include <errno.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "exec/pipeline.h"
#include "util/encode.h"
#include "util/fault.h"
#include "util/file.h"
#include "util/log.h"
#include "util/net.h"
#include "util/proc.h"

#define EXIT_BROKEN 70
#define EXIT_AGAIN 75
#define SECRETS_LIMIT_MS 10000
#define SECRET_MIN 8 /* shorter ones would redact ordinary words */

struct runner {
	const struct runner_input *in;
	int signal_fd;
	bool stopped;
	struct spec spec;
	struct secrets secrets;
	struct redact *redact;
	struct spool_writer *spool;
	bool resumes; /* a dead runner's attempt, with the sandbox it had */
	struct memo memo;
	char digest[MEMO_DIGEST]; /* of the secrets */
};

/* True once somebody has asked us to end. */
static bool
asked_to_stop(void *ctx)
{
	struct runner *r = ctx;
	struct signalfd_siginfo info;

	if (!r->stopped &&
	    read(r->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		r->stopped = true;
		log_line(LOG_INFO, "stop signal=%u from=%u", info.ssi_signo,
		    info.ssi_pid);
	}
	return r->stopped;
}

/* TERM and INT are read where we wait; a pipe that closes is an error. */
static int
set_signals(struct runner *r, struct err *e)
{
	const struct sigaction ignore = { .sa_handler = SIG_IGN };
	sigset_t asked;

	(void)sigemptyset(&asked);
	(void)sigaddset(&asked, SIGTERM);
	(void)sigaddset(&asked, SIGINT);
	if (sigprocmask(SIG_BLOCK, &asked, NULL) == -1 ||
	    sigaction(SIGPIPE, &ignore, NULL) == -1)
		return err_sys(e, ERR_BROKEN, "signals");
	r->signal_fd = signalfd(-1, &asked, SFD_NONBLOCK | SFD_CLOEXEC);
	if (r->signal_fd == -1)
		return err_sys(e, ERR_RETRY, "signals");
	return 0;
}

/* Writes who we are into the lock file, for whoever finds it locked (P2). */
static int
sign_lock(const struct runner *r, struct err *e)
{
	char text[64];
	int n = snprintf(text, sizeof(text), "%ld %llu\n", (long)getpid(),
	    (unsigned long long)proc_start_time(getpid()));

	if (ftruncate(r->in->lock_fd, 0) == -1 ||
	    pwrite(r->in->lock_fd, text, (size_t)n, 0) != n)
		return err_sys(e, ERR_RETRY, "write the lock file");
	return 0;
}

static int
own_descriptors(const struct runner *r, struct err *e)
{
	/* A stray child must not hold our lock (P4). */
	if (fd_cloexec(r->in->spool_fd, true, e) == -1 ||
	    fd_cloexec(r->in->lock_fd, true, e) == -1)
		return -1;
	return r->in->secrets_fd == -1 ? 0
				       : fd_cloexec(r->in->secrets_fd, true, e);
}

static int
learn(struct runner *r, const char *secret, struct err *e)
{
	size_t len = secret == NULL ? 0 : strlen(secret);

	return len < SECRET_MIN ? 0 : redact_learn(r->redact, secret, len, e);
}

/* Tells users why there is a gap, once for each time. */
static int
tell_resume(struct runner *r, struct err *e)
{
	char text[120];

	(void)snprintf(text, sizeof(text),
	    "The run's process had died; its sandbox goes on, and another "
	    "process with it (%u).",
	    memo_resumes(r->in->spool_fd));
	log_line(LOG_INFO, "run resumes sandbox=%s commands=%u", r->memo.id,
	    r->memo.runs);
	return spool_note(r->spool, "note", text, e);
}

/* The same for the same secrets, and no way back to them. */
static void
digest_secrets(const struct secrets *s, char out[MEMO_DIGEST])
{
	unsigned char digest[(MEMO_DIGEST - 1) / 2];
	const char *const first[] = { s->github_token, s->e2b_api_key };
	crypto_generichash_state state;

	(void)crypto_generichash_init(&state, NULL, 0, sizeof(digest));
	for (size_t i = 0; i < 2 + SECRETS_ENV_MAX; i++) {
		const char *one = i < 2 ? first[i] : s->env[i - 2];

		if (one != NULL)
			(void)crypto_generichash_update(&state,
			    (const unsigned char *)one, strlen(one) + 1);
	}
	(void)crypto_generichash_final(&state, digest, sizeof(digest));
	encode_hex(out, digest, sizeof(digest));
}

/* Has there been a runner of this attempt that had a sandbox? */
static int
look_for_memo(struct runner *r, struct err *e)
{
	struct err ignored = { 0 };

	digest_secrets(&r->secrets, r->digest);
	if (memo_read(r->in->spool_fd, &r->memo, e) == -1)
		return e->kind == ERR_ABSENT ? 0 : -1;
	/* The next attempt ends the sandbox before it makes its own. */
	if (strcmp(r->memo.secrets, r->digest) != 0) {
		if (memo_forget(r->in->spool_fd, &ignored) == -1)
			log_err(LOG_WARN, &ignored, "run");
		return err_set(e, ERR_RETRY,
		    "the agent in the sandbox has other keys than these");
	}
	r->resumes = true;
	if (spool_writer_resume(r->spool, e) == -1)
		return -1;
	return tell_resume(r, e);
}

/* From here on nothing gets out without passing the redactor. */
static int
open_spool(struct runner *r, struct err *e)
{
	if (redact_new(&r->redact, e) == -1 ||
	    learn(r, r->secrets.github_token, e) == -1 ||
	    learn(r, r->secrets.e2b_api_key, e) == -1)
		return -1;
	for (size_t i = 0; i < SECRETS_ENV_MAX; i++) {
		const char *pair = r->secrets.env[i];

		if (pair != NULL && learn(r, strchr(pair, '=') + 1, e) == -1)
			return -1;
	}
	if (spool_writer_open(&r->spool, r->in->spool_fd, r->redact,
		(size_t)r->spec.output_max_bytes, e) == -1)
		return -1;
	return look_for_memo(r, e);
}

static int
prepare(struct runner *r, struct err *e)
{
	(void)umask(077);
	if (encode_init(e) == -1 || net_init(e) == -1 ||
	    own_descriptors(r, e) == -1 || set_signals(r, e) == -1 ||
	    sign_lock(r, e) == -1)
		return -1;
	FAULT_POINT("run.start");
	if (spec_read(r->in->spool_fd, &r->spec, e) == -1)
		return -1;
	if (log_level_of(r->spec.log_level) != LOG_LEVEL_N)
		log_open("runner", log_level_of(r->spec.log_level));
	if (r->in->secrets_fd != -1 &&
	    secrets_read(r->in->secrets_fd, SECRETS_LIMIT_MS, &r->secrets, e) ==
		-1) {
		e->kind = ERR_RETRY;
		return -1;
	}
	return open_spool(r, e);
}

/* The run itself; the result is on the disk before the sandbox goes. */
static int
work(struct runner *r, struct err *e)
{
	struct pipeline p = { .spec = &r->spec,
		.secrets = &r->secrets,
		.redact = r->redact,
		.spool = r->spool,
		.spool_fd = r->in->spool_fd,
		.memo = r->resumes ? &r->memo : NULL,
		.digest = r->digest,
		.stop = asked_to_stop,
		.ctx = r,
		.wake_fd = r->signal_fd };
	struct spool_result result = { 0 };
	int rc = -1;

	if (pipeline_run(&p, &result, e) == -1)
		goto out;
	if (spool_finish(r->spool, &result, e) == -1)
		goto out;
	log_line(LOG_INFO, "run outcome=%s failure=%s", result.outcome,
	    result.failure == NULL ? "-" : result.failure);
	FAULT_POINT("run.before_close");
	rc = 0;
out:
	pipeline_close(&p);
	spool_result_clear(&result);
	return rc;
}

/* The texts of errors pass the redactor on their way into the log, too. */
static void
log_failure(const struct runner *r, const struct err *e)
{
	struct buf text = BUF(4096);
	struct err shown = *e;

	if (r->redact != NULL) {
		redact_text(r->redact, &text, e->text, strlen(e->text));
		(void)snprintf(shown.text, sizeof(shown.text), "%s",
		    buf_ok(&text) && text.len > 0 ? text.data : "");
	}
	log_err(LOG_ERROR, &shown, "run");
	buf_clear(&text);
}

int
runner_run(const struct runner_input *in)
{
	struct runner r = { .in = in, .signal_fd = -1 };
	struct err e = { 0 };
	int status = 0;

	log_open("runner", LOG_INFO);
	if (spool_has_result(in->spool_fd)) {
		log_line(LOG_INFO, "run result=there");
		goto out;
	}
	if (prepare(&r, &e) == -1 || work(&r, &e) == -1) {
		log_failure(&r, &e);
		status = e.kind == ERR_RETRY ? EXIT_AGAIN : EXIT_BROKEN;
	}
out:
	spool_writer_close(r.spool);
	redact_free(r.redact);
	secrets_clear(&r.secrets);
	spec_clear(&r.spec);
	if (r.signal_fd != -1)
		(void)close(r.signal_fd);
	if (in->secrets_fd != -1)
		(void)close(in->secrets_fd);
	(void)close(in->spool_fd);
	(void)close(in->lock_fd); /* last: until here we are alive */
	return status;
}
