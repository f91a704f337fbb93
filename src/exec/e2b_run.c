/*
 * e2b: follows one command to its end, whatever happens to the connection. The
 * files in the sandbox are the truth (E1); the stream is the quick way to it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "exec/e2b_running.h"
#include "util/clock.h"
#include "util/fault.h"
#include "util/heap.h"
#include "util/log.h"

#define ARGS_MAX 96
#define ENV_MAX 48
#define LOOK_EVERY_MS 200 /* into the files, while the stream only hints */
#define NEWS_MS 200       /* and for so long, before other things have a turn */
#define WORDS_MS 3000     /* for the last words of one that was cut off */
#define STARTS_MAX 6
#define VANISHED_MAX 3
#define LIFE_RESERVE_S 60 /* for what comes after a command */
#define KILLED 137

/*
 * When it has to end: the limit, or what the command's own clocks say. They ask
 * how long it has been silent, which nobody knows while nothing gets through.
 */
static int64_t
ends_ms(const struct running *r)
{
	int64_t own = r->cmd->until_ms == NULL || r->failures > 0
	    ? INT64_MAX
	    : r->cmd->until_ms(r->cmd->ctx);

	return !r->end->stopped && own < r->until_ms ? own : r->until_ms;
}

/* The same; but one that may have ended well, long ago, has to be asked. */
static int64_t
latest_ms(const struct running *r)
{
	return r->known && !r->asked && !r->end->stopped
	    ? r->until_ms + (int64_t)r->b->set->busy_wait_s * 1000
	    : ends_ms(r);
}

/* Looks at the clock and at stop(). True when it is over. */
static bool
time_is_up(struct running *r)
{
	int64_t now = clock_mono_ms();
	struct err ignored = { 0 };

	if (!r->end->stopped && r->cmd->stop != NULL &&
	    r->cmd->stop(r->cmd->ctx)) {
		r->end->stopped = true;
		r->b->closing = true; /* heard; from now on we are busy */
		if (r->until_ms > now + r->cmd->grace_ms)
			r->until_ms = now + r->cmd->grace_ms;
		if (r->p.pid > 0 && r->cmd->grace_ms > 0)
			(void)!e2b_process_term(&r->p, &ignored);
	}
	now = clock_mono_ms();
	if (now < latest_ms(r))
		return false;
	r->end->cut_off = !r->end->stopped;
	r->end->early = r->end->cut_off && now < r->until_ms;
	return true;
}

static int64_t
wait_limit(const struct running *r)
{
	int64_t now = clock_mono_ms(), left = ends_ms(r) - now;
	int64_t most = 60000;

	if (r->cmd->stop != NULL && !r->b->closing && r->b->host->wake_fd < 0)
		most = NET_TICK_MS;
	if (r->p.news && r->looked_ms + LOOK_EVERY_MS - now < most)
		most = r->looked_ms + LOOK_EVERY_MS - now;
	if (left < most)
		most = left;
	return most < 0 ? 0 : most;
}

/* Errors at the start that no second try will change (4.5). */
static bool
is_final(const char *code)
{
	static const char *const codes[] = { "invalid_argument",
		"unauthenticated", "permission_denied", "unimplemented",
		"failed_precondition" };

	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		if (strcmp(codes[i], code) == 0)
			return true;
	return false;
}

/* It runs, and from now on we mostly wait. */
static void
begins(struct running *r)
{
	r->begun = true;
	if (!r->cmd->trusted)
		heap_trim();
}

/* Lets the stream move. 1: it is over, 0: go on. */
static int
listen_on(struct running *r, struct err *e)
{
	enum net_stream_state state;
	struct err why = { 0 };

	if (net_pool_wait(r->b->pool, (int)wait_limit(r),
		r->b->closing ? -1 : r->b->host->wake_fd, e) == -1)
		return -1;
	if (!r->begun && r->p.pid > 0)
		begins(r);
	state = net_stream_state(r->p.stream, &why);
	if (state == NET_STREAM_OPEN && !r->p.over) {
		if (r->p.news &&
		    clock_mono_ms() >= r->looked_ms + LOOK_EVERY_MS)
			return e2b_read_news(r, NEWS_MS, e);
		return 0;
	}
	if (r->p.refused) {
		*e = why;
		return -1;
	}
	if (!r->p.over)
		log_line(LOG_INFO, "e2b stream=cut status=%d why=" LOG_STR,
		    net_stream_answer(r->p.stream)->status, log_str(why.text));
	if (!r->begun && is_final(r->p.error))
		return e2b_fail(r->b, E2B_PROTOCOL, r->p.text, e);
	e2b_process_leave(&r->p);
	return 1;
}

static int start_it(struct running *r, struct err *e);

/* There is no such process, and it has left no exit status. */
static int
has_vanished(struct running *r, struct err *e)
{
	if (!r->begun && r->starts < STARTS_MAX)
		return start_it(r, e);
	if (++r->vanished < VANISHED_MAX)
		return 0; /* between its end and its last word, perhaps */
	return err_set(e, ERR_RETRY,
	    "the command in the sandbox has vanished without an exit status");
}

/*
 * Nobody listens to it. 1: it has ended, and all is told; 0: somebody listens
 * again, or it has to be tried again.
 */
static int
recover(struct running *r, struct err *e)
{
	uint64_t sizes[2] = { 0, 0 };
	int rc = e2b_read_code(r, sizes, e);

	r->asked = r->asked || rc != -1;
	if (rc == 1) {
		r->begun = true;
		r->b->hurry_ms = INT64_MAX; /* its clocks stand still */
		return e2b_read_rest(r, sizes, e) == 0 ? 1 : -1;
	}
	if (rc == 0 && (rc = e2b_process_find(&r->p, e)) == 0) {
		r->begun = r->begun || r->p.pid > 0;
		rc = r->p.pid > 0 ? e2b_process_attach(&r->p, e)
				  : has_vanished(r, e);
		if (rc == -1)
			return -1;
	}
	if (rc == -1 && !e2b_may_wait(r))
		return -1;
	/* Not again at once; and not as if nothing had happened. */
	(void)e2b_pause(r->b, e2b_backoff_ms(r->failures));
	if (r->p.stream == NULL) {
		r->failures++;
		return 0;
	}
	r->failures = 0;
	return e2b_read_news(r, NEWS_MS, e); /* before its silence is judged */
}

/* Its time is over, or somebody wants its end. */
static int
cut(struct running *r, struct err *e)
{
	/* The stream would tell while the files are read, and all twice. */
	e2b_process_leave(&r->p);
	/* One of earlier commands has been dealt with: not again. */
	if (r->b->runs >= r->b->known_runs)
		e2b_kill_tree(r->b, r->folder);
	r->end->code = KILLED;
	/* Its last words, which may say why it took so long. */
	r->b->hurry_ms = clock_mono_ms() + WORDS_MS;
	if (!r->b->dead && r->end->cut_off)
		(void)!e2b_read_news(r, WORDS_MS, e);
	return 0;
}

/*
 * Before it is killed for its time: who comes after us must not take the
 * status of a command that was killed for its own.
 */
static int
note_cut(const struct running *r, struct err *e)
{
	struct e2b *b = r->b;

	if (!r->end->cut_off || b->memo.cut_run == b->runs)
		return 0;
	b->memo.cut_run = b->runs;
	b->memo.cut_early = r->end->early;
	if (e2b_remember(b, e) == -1)
		return -1;
	FAULT_POINT("e2b.before_cut");
	return 0;
}

/* A process before us has decided so. */
static bool
was_cut(const struct running *r)
{
	if (!r->known || r->b->memo.cut_run != r->b->runs)
		return false;
	r->end->cut_off = true;
	r->end->early = r->b->memo.cut_early;
	return true;
}

static int
follow(struct running *r, struct err *e)
{
	int rc = 0;

	if (was_cut(r))
		return cut(r, e);
	r->b->hurry_ms = latest_ms(r);
	if (r->known)
		rc = recover(r, e);
	while (rc == 0) {
		if (time_is_up(r)) {
			if (note_cut(r, e) == -1)
				return -1;
			return cut(r, e);
		}
		r->b->hurry_ms = latest_ms(r);
		rc = 1;
		if (r->p.stream != NULL)
			rc = listen_on(r, e);
		if (rc == 1)
			rc = recover(r, e);
	}
	if (rc == -1)
		e2b_kill_tree(r->b, r->folder);
	return rc == 1 ? 0 : -1;
}

/* The script's arguments: what to do, rights to set, and the command. */
static int
fill_argv(const struct running *r, const char *argv[ARGS_MAX], struct err *e)
{
	const char *mode = r->b->modes.data;
	size_t n = 0;

	argv[n++] = "/bin/sh";
	argv[n++] = E2B_RUN_SCRIPT;
	argv[n++] = "run";
	argv[n++] = r->folder;
	argv[n++] = r->cmd->trusted ? "root" : "user";
	for (size_t i = 0; i < 2 * r->b->mode_count && n < ARGS_MAX - 2; i++) {
		argv[n++] = mode;
		mode += strlen(mode) + 1;
	}
	argv[n++] = "--";
	for (size_t i = 0; r->cmd->argv[i] != NULL && n < ARGS_MAX - 1; i++)
		argv[n++] = r->cmd->argv[i];
	argv[n] = NULL;
	if (n == ARGS_MAX - 1 || !buf_ok(&r->b->modes))
		return err_set(e, ERR_INVALID, "a command is too long");
	return 0;
}

static int
start_it(struct running *r, struct err *e)
{
	static const char *const base_env[] = { ("HOME=" SANDBOX_HOME),
		"USER=user", "LOGNAME=user", "SHELL=/bin/sh", "LANG=C.UTF-8",
		"TERM=dumb" };
	const char *argv[ARGS_MAX], *env[ENV_MAX];
	size_t n = sizeof(base_env) / sizeof(base_env[0]);

	memcpy(env, base_env, sizeof(base_env));
	for (size_t i = 0; r->cmd->env != NULL && r->cmd->env[i] != NULL; i++) {
		if (n == ENV_MAX - 1)
			return err_set(e, ERR_INVALID,
			    "a command's environment is too large");
		env[n++] = r->cmd->env[i];
	}
	env[n] = NULL;
	if (fill_argv(r, argv, e) == -1)
		return -1;
	r->starts++;
	r->p.whole = true;
	return e2b_process_start(&r->p, argv, env,
	    r->cmd->cwd == NULL ? SANDBOX_HOME : r->cmd->cwd, e);
}

/* It must outlive the command. */
static int
lengthen_life(struct running *r, struct err *e)
{
	unsigned int need_s = r->cmd->limit_s + LIFE_RESERVE_S;
	int64_t left_ms = r->b->ends_ms - clock_mono_ms();

	if (r->cmd->limit_s == 0 || left_ms >= (int64_t)need_s * 1000)
		return 0;
	return e2b_renew(r->b, need_s, e);
}

/* Before it is begun: who comes after us must not begin it again. */
static int
note_run(const struct running *r, struct err *e)
{
	struct e2b *b = r->b;

	if (r->known)
		return 0;
	b->memo.runs = b->runs;
	b->memo.began_us = clock_wall_us();
	if (e2b_remember(b, e) == -1)
		return -1;
	FAULT_POINT("e2b.before_command");
	return 0;
}

/* How long the last of the known commands has been running. */
static int64_t
already_ms(const struct running *r)
{
	return r->b->runs == r->b->known_runs ? r->b->known_us / 1000 : 0;
}

int
e2b_run(struct sandbox *sb, const struct sandbox_cmd *cmd,
    struct sandbox_end *end, struct err *e)
{
	struct e2b *b = (struct e2b *)sb;
	struct running r = { .b = b, .cmd = cmd, .end = end };
	int64_t began = clock_mono_ms();
	int rc = -1;

	*end = (struct sandbox_end){ 0 };
	if (b->dead)
		return e2b_fail(b, E2B_GONE, "", e);
	r.p = (struct e2b_process){ .b = b, .cmd = cmd };
	b->runs++;
	r.known = b->runs <= b->known_runs;
	(void)snprintf(r.folder, sizeof(r.folder), SANDBOX_CONTROL "/run/%u",
	    b->runs);
	(void)snprintf(r.p.tag, sizeof(r.p.tag), "taskmill-%u", b->runs);
	if (lengthen_life(&r, e) == -1 || note_run(&r, e) == -1)
		return -1;
	began -= already_ms(&r);
	r.until_ms = cmd->limit_s == 0 ? b->ends_ms
				       : began + (int64_t)cmd->limit_s * 1000;
	b->untrusted = b->untrusted || !cmd->trusted;
	if (r.known || start_it(&r, e) == 0)
		rc = follow(&r, e);
	e2b_process_leave(&r.p);
	b->hurry_ms = INT64_MAX;
	buf_reset(&b->modes);
	b->mode_count = 0;
	end->took_ms = (unsigned int)(clock_mono_ms() - began);
	return rc;
}
