/* local: making a workspace, and getting rid of it. See local.h. */
#include "exec/local.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/clock.h"
#include "util/encode.h"
#include "util/file.h"
#include "util/log.h"

#define RANDOM_BYTES 6
#define PASSWD_BUF 4096

void
launch_arg(struct launch *l, const char *arg)
{
	if (l->argc + 1 >= LAUNCH_ARGS_MAX)
		l->failed = true;
	else
		l->argv[l->argc++] = arg;
}

void
launch_env(struct launch *l, const char *pair)
{
	if (l->envc + 1 >= LAUNCH_ENV_MAX)
		l->failed = true;
	else
		l->env[l->envc++] = pair;
}

const char *
launch_text(struct launch *l, const char *fmt, ...)
{
	size_t room = LAUNCH_TEXT_MAX - l->used;
	char *at = l->text + l->used;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(at, room, fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= room) {
		l->failed = true;
		return "";
	}
	l->used += (size_t)n + 1;
	return at;
}

void
launch_path(const struct local *lo, const struct sandbox_cmd *cmd,
    struct launch *l)
{
	bool more = !cmd->trusted && lo->programs[0] != '\0';

	launch_env(l,
	    launch_text(l, "PATH=%s%s/usr/local/bin:/usr/bin:/bin",
		more ? lo->programs : "", more ? ":" : ""));
}

int
local_make_folder(const struct local *lo, int dirfd, const char *name,
    struct err *e)
{
	int fd;

	if (mkdirat(dirfd, name, 0700) == -1)
		return err_sys(e,
		    errno == EACCES || errno == EPERM ? ERR_DENIED : ERR_RETRY,
		    "make the folder %s", name);
	fd = openat(dirfd, name,
	    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd == -1)
		return err_sys(e, ERR_RETRY, "open the folder %s", name);
	if (lo->uid != 0 && fchown(fd, lo->uid, lo->gid) == -1) {
		(void)close(fd);
		return err_sys(e, ERR_DENIED, "give the folder %s away", name);
	}
	return fd;
}

/* As root, commands run as somebody else; as anybody else, as we are. */
static int
find_user(struct local *lo, const char *user, struct err *e)
{
	struct passwd pw, *found = NULL;
	char text[PASSWD_BUF];

	if (geteuid() != 0)
		return 0;
	if (getpwnam_r(user, &pw, text, sizeof(text), &found) != 0 ||
	    found == NULL)
		return err_set(e, ERR_INVALID,
		    "there is no user %s to run sandboxes as", user);
	if (found->pw_uid == 0)
		return err_set(e, ERR_INVALID, "sandboxes do not run as root");
	lo->uid = found->pw_uid;
	lo->gid = found->pw_gid;
	return 0;
}

/* True if the sandbox's user may pass through a folder with these rights. */
static bool
may_pass(const struct local *lo, const struct stat *st)
{
	if (st->st_uid == lo->uid)
		return st->st_mode & S_IXUSR;
	if (st->st_gid == lo->gid)
		return st->st_mode & S_IXGRP;
	return st->st_mode & S_IXOTH;
}

/*
 * Commands run as another user, who must get to the workspace: through each
 * folder on the way.
 */
static int
check_way(const struct local *lo, const char *dir, const char *user,
    struct err *e)
{
	char path[LOCAL_PATH_MAX];
	struct stat st;

	if (lo->uid == 0)
		return 0;
	(void)snprintf(path, sizeof(path), "%s", dir);
	for (;;) {
		char *slash = strrchr(path, '/');

		if (stat(path[0] == '\0' ? "/" : path, &st) == -1)
			return err_sys(e, ERR_DENIED, "look at %s", path);
		if (!may_pass(lo, &st))
			return err_set(e, ERR_DENIED,
			    "user %s, who runs sandboxes, may not pass through "
			    "%s; allow it (chmod o+x) or set another "
			    "SANDBOX_DIR",
			    user, path[0] == '\0' ? "/" : path);
		if (slash == NULL || path[0] == '\0')
			return 0;
		*slash = '\0';
	}
}

/* The absolute name of the folder that workspaces are made in. */
static int
open_parent(struct local *lo, const struct sandbox_spec *spec, struct err *e)
{
	bool is_new = access(spec->dir, F_OK) == -1;
	char *real;
	int n;

	if (dir_make(spec->dir, 0711, e) == -1)
		return err_wrap(e, "SANDBOX_DIR");
	/* The umask has no say: the sandbox's user must get through. */
	if (is_new && chmod(spec->dir, 0711) == -1)
		return err_sys(e, ERR_DENIED, "SANDBOX_DIR");
	if ((real = realpath(spec->dir, NULL)) == NULL)
		return err_sys(e, ERR_DENIED, "find %s", spec->dir);
	n = snprintf(lo->root, sizeof(lo->root), "%s", real);
	free(real);
	if (n < 0 || (size_t)n >= sizeof(lo->root) - 128)
		return err_set(e, ERR_INVALID, "SANDBOX_DIR is too long");
	if (check_way(lo, lo->root, spec->user, e) == -1)
		return -1;
	lo->parent_fd =
	    open(lo->root, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (lo->parent_fd == -1)
		return err_sys(e, ERR_DENIED, "open %s", lo->root);
	return 0;
}

static int
write_etc(const struct local *lo, int root_fd, struct err *e)
{
	static const char *const files[][2] = {
		{ "passwd",
		    "root:x:0:0:root:/:/bin/false\n"
		    "user:x:1000:1000:user:/home/user:/bin/sh\n" },
		{ "group", "root:x:0:\nuser:x:1000:\n" },
		{ "nsswitch.conf",
		    "passwd: files\ngroup: files\nhosts: files dns\n" },
	};
	int etc, fd, rc = -1;

	if ((etc = local_make_folder(lo, root_fd, "etc", e)) == -1)
		return -1;
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		fd = openat(etc, files[i][0],
		    O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
		if (fd == -1) {
			(void)err_sys(e, ERR_RETRY, "make %s", files[i][0]);
			goto out;
		}
		rc = fd_write_all(fd, files[i][1], strlen(files[i][1]), e);
		/* Whatever the umask is. */
		if (rc == 0 && fchmod(fd, 0644) == -1)
			rc = err_sys(e, ERR_RETRY, "mode of %s", files[i][0]);
		(void)close(fd);
		if (rc == -1)
			goto out;
	}
	rc = 0;
out:
	(void)close(etc);
	return rc;
}

static int
make_folders(struct local *lo, int root_fd, struct err *e)
{
	static const char *const more[] = { "workspace" };
	int fd;

	if ((lo->home_fd = local_make_folder(lo, root_fd, "home", e)) == -1 ||
	    (lo->control_fd = local_make_folder(lo, root_fd, "control", e)) ==
		-1)
		return -1;
	if ((fd = local_make_folder(lo, lo->home_fd, more[0], e)) == -1)
		return -1;
	(void)close(fd);
	if (lo->bwrap)
		return write_etc(lo, root_fd, e);
	if ((fd = local_make_folder(lo, root_fd, "tmp", e)) == -1)
		return -1;
	(void)close(fd);
	return 0;
}

/* Makes the workspace. On failure the caller's close removes what there is. */
static int
make_workspace(struct local *lo, const char *name, struct err *e)
{
	unsigned char random[RANDOM_BYTES];
	char hex[2 * RANDOM_BYTES + 1];
	size_t at = strlen(lo->root);
	int root_fd, rc;

	if (name[0] == '\0' || name[0] == '.' || strchr(name, '/') != NULL ||
	    strlen(name) > 64)
		return err_set(e, ERR_INVALID, "not a sandbox's name");
	random_fill(random, sizeof(random));
	encode_hex(hex, random, sizeof(random));
	(void)snprintf(lo->root + at, sizeof(lo->root) - at, "/%s.%s", name,
	    hex);
	root_fd = local_make_folder(lo, lo->parent_fd, lo->root + at + 1, e);
	if (root_fd == -1)
		return -1;
	lo->name = lo->root + at + 1;
	rc = make_folders(lo, root_fd, e);
	(void)close(root_fd);
	return rc;
}

static void
release(struct local *lo)
{
	const int fds[] = { lo->home_fd, lo->control_fd, lo->filter_fd };
	struct err e = { 0 };

	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
		if (fds[i] != -1)
			(void)close(fds[i]);
	}
	if (lo->name != NULL && dir_remove(lo->parent_fd, lo->name, &e) == -1)
		log_err(LOG_WARN, &e, "sandbox name=" LOG_STR " left",
		    log_str(lo->name));
	if (lo->parent_fd != -1)
		(void)close(lo->parent_fd);
	free(lo);
}

static void
local_close(struct sandbox *sb)
{
	release((struct local *)sb);
}

/* bwrap or nothing; never silently the one for the other (B3). */
static int
set_isolation(struct local *lo, const char *isolation, struct err *e)
{
	/* Escapees and orphans come to us, to be killed (P5). */
	if (prctl(PR_SET_CHILD_SUBREAPER, 1L, 0L, 0L, 0L) == -1)
		return err_sys(e, ERR_BROKEN, "become a subreaper");
	if (strcmp(isolation, "none") == 0)
		return 0;
	if (strcmp(isolation, "bwrap") != 0)
		return err_set(e, ERR_INVALID, "there is no isolation \"%s\"",
		    isolation);
	if (access(BWRAP_PATH, X_OK) == -1)
		return err_sys(e, ERR_DENIED,
		    "bubblewrap is not to be had (%s)", BWRAP_PATH);
	lo->bwrap = true;
	return seccomp_filter_new(&lo->filter_fd, e);
}

static int
prepare(struct local *lo, const struct sandbox_spec *spec, struct err *e)
{
	lo->base.kind = &sandbox_local;
	lo->parent_fd = lo->home_fd = lo->control_fd = lo->filter_fd = -1;
	lo->limits = spec->limits;
	lo->programs = spec->programs == NULL ? "" : spec->programs;
	if (spec->life_s > 0)
		lo->ends_ms = clock_mono_ms() + (int64_t)spec->life_s * 1000;
	if (find_user(lo, spec->user, e) == -1 ||
	    set_isolation(lo, spec->isolation, e) == -1 ||
	    open_parent(lo, spec, e) == -1)
		return -1;
	return make_workspace(lo, spec->name, e);
}

static int
local_open(struct sandbox **sb, const struct sandbox_spec *spec, struct err *e)
{
	struct local *lo = calloc(1, sizeof(*lo));

	*sb = NULL;
	if (lo == NULL)
		return err_set(e, ERR_RETRY, "out of memory");
	if (prepare(lo, spec, e) == -1) {
		release(lo);
		return -1;
	}
	*sb = &lo->base;
	return 0;
}

static const char *
local_id(const struct sandbox *sb)
{
	return ((const struct local *)sb)->name;
}

struct probe {
	struct buf text;
};

static int
keep_text(void *ctx, enum sandbox_stream from, const char *bytes, size_t len,
    struct err *e)
{
	struct probe *p = ctx;

	(void)from;
	(void)e;
	if (p->text.len + len <= p->text.max)
		buf_add(&p->text, bytes, len);
	return 0;
}

static int
local_probe(const struct sandbox_spec *spec, char *how, size_t size,
    struct err *e)
{
	static const char *const argv[] = { "/bin/true", NULL };
	struct probe p = { BUF(512) };
	const struct sandbox_cmd cmd = { .argv = argv,
		.limit_s = 10,
		.output = keep_text,
		.ctx = &p };
	struct sandbox_end end = { 0 };
	struct sandbox *sb;
	int rc = -1;

	if (sandbox_open(&sb, spec, e) == -1)
		return -1;
	if (sandbox_run(sb, &cmd, &end, e) == -1) {
		e->kind = ERR_DENIED;
		goto out;
	}
	if (end.code != 0) {
		(void)err_set(e, ERR_DENIED,
		    "a command in the sandbox ended with %d: %s", end.code,
		    p.text.data == NULL ? "" : p.text.data);
		goto out;
	}
	(void)snprintf(how, size, "%s",
	    ((struct local *)sb)->bwrap
		? "bubblewrap: own user, PID, mount, IPC, UTS and network "
		  "namespaces, seccomp filter, resource limits"
		: "NO ISOLATION: plain subprocesses with resource limits; "
		  "agents see this machine's files and network");
	rc = 0;
out:
	buf_clear(&p.text);
	sandbox_close(sb);
	return rc;
}

const struct sandbox_kind sandbox_local = {
	.name = "local",
	.open = local_open,
	.id = local_id,
	.run = local_run,
	.put = local_put,
	.get = local_get,
	.close = local_close,
	.probe = local_probe,
};
