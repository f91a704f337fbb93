#ifndef EXEC_SANDBOX_H
#define EXEC_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "spool/memo.h"
#include "util/buf.h"
#include "util/err.h"

/*
 * sandbox: one throw-away machine in which a task's commands run.
 *
 * There are two kinds: "e2b", a cloud machine reached over HTTPS, and "local",
 * commands under bubblewrap in a folder of their own. Code above this line
 * cannot tell which one it has.
 *
 *	open -> (put | run | get)* -> close
 *
 * Paths inside are the same everywhere:
 *	/home/user             HOME, writable
 *	/home/user/workspace   writable; the clone is workspace/repo
 *	/control               ours: scripts, the trusted git folder, results;
 *	                       seen by trusted commands only
 *
 * A sandbox belongs to one process and runs one command at a time.
 */
#define SANDBOX_HOME "/home/user"
#define SANDBOX_REPO "/home/user/workspace/repo"
#define SANDBOX_CONTROL "/control"

struct sandbox;

struct sandbox_limits {
	long memory_mb, processes, open_files, file_mb, cpu_s;
};

/* Where sandboxes of the kind "e2b" come from (their protocol, 1). */
struct sandbox_e2b {
	const char *api_key; /* secret */
	const char *template_id;
	const char *domain;      /* "e2b.app" */
	const char *api_url;     /* "": made of the domain */
	const char *sandbox_url; /* "": made of the domain */
	const char *ca_file;     /* for both; "": the system's */
	bool allow_http;         /* for both, also to other machines */
	const char
	    *deployment; /* of [a-z0-9-]; it and the next two mark ours */
	int64_t task_id;
	unsigned int attempt;
	unsigned int create_limit_s; /* for one request to make one */
	unsigned int busy_wait_s;    /* while there is no room, or no answer */
	unsigned int quota_wait_s;   /* while too many of ours run; 0: fail */
	unsigned int
	    silence_s; /* a stream without a byte for so long is dead */
};

/*
 * Whom a sandbox works for. It hears a wish to end while it waits, and says
 * what it waits for.
 */
struct sandbox_host {
	bool (*stop)(void *ctx); /* true: nobody wants it any more */
	int wake_fd;             /* readable before stop() is true; -1: none */
	int (*note)(void *ctx, const char *text,
	    struct err *e); /* may be NULL */

	/*
	 * Keeps what another process needs to go on with this sandbox after
	 * ours has died; m NULL: it is gone. May be NULL.
	 */
	int (*remember)(void *ctx, const struct memo *m, struct err *e);
	void *ctx;

	/*
	 * Set by the sandbox: the name of the failure that the last call ended
	 * with; NULL when it has no name of its own.
	 */
	const char *failure;
};

struct sandbox_spec {
	const char *kind; /* "local" or "e2b" */
	const char *name; /* "TASK.ATTEMPT": names the workspace */
	const char *dir;  /* local: workspaces are made below */

	/*
	 * local: "bwrap" or "none" (B3). With "none" a command is a plain
	 * process of the sandbox's user: it sees what that user sees, other
	 * tasks' commands (and their environment) included.
	 */
	const char *isolation;
	const char *user; /* local, as root: who runs commands */

	/*
	 * local: folders with programs beside the system's, ':' between them;
	 * commands that are not trusted see them, read-only, and search them
	 * first. "" or NULL: none.
	 */
	const char *programs;
	struct sandbox_limits limits;

	/* The provider ends the machine after this, whatever becomes of us. */
	unsigned int life_s;

	/* e2b: these must live as long as the sandbox. */
	const struct sandbox_e2b *e2b;
	struct sandbox_host *host;
	const char *share_dir;   /* its sandbox/ has our script */
	const struct memo *memo; /* NULL, or: go on with this one */
};

enum sandbox_stream {
	SANDBOX_STDOUT,
	SANDBOX_STDERR
};

/*
 * Called with each piece of output as it comes, which need not be a line. The
 * bytes are not terminated, and gone after the call. -1 stops the command.
 */
typedef int sandbox_output(void *ctx, enum sandbox_stream from,
    const char *bytes, size_t len, struct err *e);

struct sandbox_cmd {
	const char *const *argv; /* never joined into a shell line */
	const char *cwd;         /* inside the machine; NULL: its home */
	const char *const *env;  /* "NAME=value", NULL last; may be secret */
	bool trusted;            /* sees /control */
	bool network;
	unsigned int limit_s;   /* 0: for as long as the machine lives */
	unsigned int grace_ms;  /* between TERM and KILL when stopped */
	sandbox_output *output; /* NULL: output is dropped */
	void *ctx;

	/*
	 * Polled while the command runs: true ends it early (cancellation).
	 * NULL: never.
	 */
	bool (*stop)(void *ctx);

	/*
	 * An end before limit_s, on the monotonic clock in ms, asked for again
	 * after each piece of output; INT64_MAX: none. NULL: never.
	 */
	int64_t (*until_ms)(void *ctx);
};

/* How a command ended. A code that is not 0 is a result, not an error. */
struct sandbox_end {
	int code;     /* exit status; 128 + n after signal n */
	bool cut_off; /* limit_s passed, so its whole tree was killed */
	bool early;   /* cut off, but by until_ms() */
	bool stopped; /* stop() said so, and its whole tree was killed */
	unsigned int took_ms;
};

/*
 * Creates a machine and waits until it takes commands.
 *
 * With a memo it is the one that a process before us had. The caller then gives
 * the same commands in the same order as that one did: those that had begun
 * there are not begun again, and give the output and the end that they gave, or
 * go on. Files that had been put are not put again. ERR_RETRY, and the memo
 * forgotten: that machine is gone.
 *
 * Returns 0 with *sb, which the caller gives to sandbox_close(); or -1 with
 * *sb NULL and nothing left behind. ERR_RETRY: no room, provider busy or away.
 * ERR_INVALID: no such kind, user or isolation. ERR_DENIED: isolation is not to
 * be had here, with the reason.
 */
int sandbox_open(struct sandbox **sb, const struct sandbox_spec *spec,
    struct err *e) MUST_CHECK;

/* The machine's id, for people and the janitor. Borrowed. */
const char *sandbox_id(const struct sandbox *sb);

/*
 * Runs one command to its end. Nothing that it started lives on when this
 * returns.
 *
 * Returns 0 with *end when we know how it ended, and -1 when we do not.
 * ERR_RETRY: could not be started now. Otherwise what output() returned.
 */
int sandbox_run(struct sandbox *sb, const struct sandbox_cmd *cmd,
    struct sandbox_end *end, struct err *e) MUST_CHECK;

/* Writes a file (its folder must exist) with this mode. Absolute path inside.
 */
int sandbox_put(struct sandbox *sb, const char *path, const void *bytes,
    size_t len, unsigned int mode, struct err *e) MUST_CHECK;

/*
 * Appends a file's bytes to out, up to out's limit. What is inside is hostile:
 * no link is followed out of the machine, nothing but a regular file is read
 * (B7). ERR_ABSENT: not there. ERR_INVALID: not a file, or too large.
 */
int sandbox_get(struct sandbox *sb, const char *path, struct buf *out,
    struct err *e) MUST_CHECK;

/*
 * Destroys the machine and frees sb. Takes NULL. Cannot fail: what will not
 * go is logged, and swept by the reaper.
 */
void sandbox_close(struct sandbox *sb);

/*
 * Says whether sandboxes of this kind can be had, by running "true" in one
 * (B3). how is a sentence for people, on success too ("bubblewrap 0.8.0, ...").
 */
int sandbox_probe(const struct sandbox_spec *spec, char *how, size_t size,
    struct err *e) MUST_CHECK;

#endif
