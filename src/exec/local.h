#ifndef EXEC_LOCAL_H
#define EXEC_LOCAL_H

#include <stdint.h>
#include <sys/types.h>

#include "exec/sandbox_impl.h"
#include "util/proc.h"

/*
 * local: a sandbox that is a folder on this machine.
 *
 *	SANDBOX_DIR/TASK.ATTEMPT.RANDOM/	0700, of the user who runs it
 *		home/		/home/user inside
 *		control/	/control inside, for trusted commands
 *		etc/		the little that /etc has inside
 *		tmp/		used without bubblewrap only
 *
 * Files: local.c opens and closes, local_files.c puts and gets, local_run.c
 * follows a command, local_bwrap.c and local_plain.c say how one is started,
 * seccomp.c makes the filter.
 */
#define LOCAL_PATH_MAX 4096

struct local {
	struct sandbox base;
	char root[LOCAL_PATH_MAX]; /* absolute */
	const char *name;          /* the last part of root: our id */
	int parent_fd;             /* SANDBOX_DIR */
	int home_fd, control_fd;
	bool bwrap;
	int filter_fd; /* of bwrap: the seccomp program; -1 else */
	uid_t uid;     /* 0: run as we are */
	gid_t gid;
	struct sandbox_limits limits;
	const char *programs; /* as in sandbox_spec; never NULL */
	int64_t ends_ms;      /* on the monotonic clock: end of life; 0 never */
};

/*
 * How a command is started. Strings live in text, which must not move while
 * argv and env point into it; so it is reserved at once.
 */
#define LAUNCH_ARGS_MAX 160
#define LAUNCH_ENV_MAX 64
#define LAUNCH_TEXT_MAX 65536

struct launch {
	const char *argv[LAUNCH_ARGS_MAX];
	size_t argc;
	const char *env[LAUNCH_ENV_MAX];
	size_t envc;
	const char *cwd;
	char *text;
	size_t used;
	bool failed; /* something did not fit */
};

void launch_arg(struct launch *l, const char *arg);
void launch_env(struct launch *l, const char *pair);

/* A string that lives as long as the launch; "" when there is no room. */
const char *launch_text(struct launch *l, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* PATH, with the programs' folders for whom they are. */
void launch_path(const struct local *lo, const struct sandbox_cmd *cmd,
    struct launch *l);

/* Descriptors of bwrap in the child. */
enum {
	FD_FILTER = 3,
	FD_STATUS = 4
};

/* Each fills l for cmd. */
void local_bwrap_launch(const struct local *lo, const struct sandbox_cmd *cmd,
    struct launch *l);
void local_plain_launch(const struct local *lo, const struct sandbox_cmd *cmd,
    struct launch *l);

#define BWRAP_PATH "/usr/bin/bwrap"

int local_run(struct sandbox *sb, const struct sandbox_cmd *cmd,
    struct sandbox_end *end, struct err *e);
int local_put(struct sandbox *sb, const char *path, const void *bytes,
    size_t len, unsigned int mode, struct err *e);
int local_get(struct sandbox *sb, const char *path, struct buf *out,
    struct err *e);

/* Makes folder name below dirfd, owned by the sandbox's user, and opens it. */
int local_make_folder(const struct local *lo, int dirfd, const char *name,
    struct err *e);

/*
 * Gives us our folders back, whatever mode a command has given them. Nothing of
 * a sandbox may run meanwhile.
 */
int local_repair(const struct local *lo, struct err *e);

/* A compiled filter in a memory file, at its beginning. */
int seccomp_filter_new(int *fd, struct err *e);

#endif
