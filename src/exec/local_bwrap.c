/* local: the command line of bubblewrap (B1, B2, B5). */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "exec/local.h"

#define PRLIMIT_PATH "/usr/bin/prlimit" /* util-linux */
#define TMP_BYTES "536870912"           /* of memory, so it has a limit */
#define SHM_BYTES "67108864"

static void
args(struct launch *l, const char *const *list)
{
	for (; *list != NULL; list++)
		launch_arg(l, *list);
}

static void
bind_file(struct launch *l, const char *how, const char *from, const char *to)
{
	launch_arg(l, how);
	launch_arg(l, from);
	launch_arg(l, to);
}

/* /bin and its like: links into /usr on a merged system, else folders. */
static void
bind_system(struct launch *l)
{
	static const char *const names[] = { "/bin", "/sbin", "/lib", "/lib32",
		"/lib64", "/libx32" };
	char target[256];
	struct stat st;
	ssize_t n;

	bind_file(l, "--ro-bind", "/usr", "/usr");
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (lstat(names[i], &st) == -1)
			continue;
		if (!S_ISLNK(st.st_mode)) {
			bind_file(l, "--ro-bind", names[i], names[i]);
			continue;
		}
		n = readlink(names[i], target, sizeof(target) - 1);
		if (n <= 0)
			continue;
		target[n] = '\0';
		bind_file(l, "--symlink", launch_text(l, "%s", target),
		    names[i]);
	}
}

/* As little of /etc as programs need; keys are not among it. */
static void
bind_etc(const struct local *lo, bool network, struct launch *l)
{
	static const char *const always[] = { "/etc/ld.so.cache",
		"/etc/ld.so.conf", "/etc/ld.so.conf.d", "/etc/alternatives",
		"/etc/ssl/certs", "/etc/ssl/openssl.cnf", "/etc/localtime" };
	static const char *const online[] = { "/etc/resolv.conf",
		"/etc/hosts" };
	static const char *const own[] = { "passwd", "group", "nsswitch.conf" };

	for (size_t i = 0; i < sizeof(always) / sizeof(always[0]); i++)
		bind_file(l, "--ro-bind-try", always[i], always[i]);
	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
		bind_file(l, "--ro-bind",
		    launch_text(l, "%s/etc/%s", lo->root, own[i]),
		    launch_text(l, "/etc/%s", own[i]));
	for (size_t i = 0; network && i < sizeof(online) / sizeof(online[0]);
	     i++)
		bind_file(l, "--ro-bind-try", online[i], online[i]);
}

/* Each folder at its own place. Of one that is gone the agent's end tells. */
static void
bind_programs(const struct local *lo, struct launch *l)
{
	const char *at = lo->programs;

	while (*at != '\0') {
		int n = (int)strcspn(at, ":");
		const char *folder = launch_text(l, "%.*s", n, at);

		if (n > 0)
			bind_file(l, "--ro-bind-try", folder, folder);
		at += n + (at[n] == ':');
	}
}

static void
bind_all(const struct local *lo, const struct sandbox_cmd *cmd,
    struct launch *l)
{
	static const char *const special[] = { "--proc", "/proc", "--dev",
		"/dev", "--size", SHM_BYTES, "--tmpfs", "/dev/shm", "--size",
		TMP_BYTES, "--tmpfs", "/tmp", NULL };
	/* What is left of the root and of /dev lives in memory: no writing. */
	static const char *const closing[] = { "--remount-ro", "/dev",
		"--remount-ro", "/", NULL };

	bind_system(l);
	bind_etc(lo, cmd->network, l);
	args(l, special);
	bind_file(l, "--bind", launch_text(l, "%s/home", lo->root),
	    SANDBOX_HOME);
	if (!cmd->trusted)
		bind_programs(lo, l);
	if (cmd->trusted)
		bind_file(l, "--bind", launch_text(l, "%s/control", lo->root),
		    SANDBOX_CONTROL);
	args(l, closing);
}

/*
 * The kernel counts a user's processes in each user namespace, and compares
 * with a limit only where it was set. Set outside it would count those of all
 * sandboxes, and one task could take all the room of the others.
 */
static void
limit_processes(const struct local *lo, struct launch *l)
{
	if (lo->limits.processes <= 0)
		return;
	launch_arg(l, PRLIMIT_PATH);
	launch_arg(l,
	    launch_text(l, "--nproc=%ld:%ld", lo->limits.processes,
		lo->limits.processes));
	launch_arg(l, "--");
}

void
local_bwrap_launch(const struct local *lo, const struct sandbox_cmd *cmd,
    struct launch *l)
{
	static const char *const flags[] = { BWRAP_PATH, "--unshare-user",
		"--unshare-pid", "--unshare-ipc", "--unshare-uts",
		"--unshare-cgroup", "--disable-userns", "--die-with-parent",
		"--new-session", "--cap-drop", "ALL", "--uid", "1000", "--gid",
		"1000", "--hostname", "sandbox", NULL };
	static const char *const base_env[] = { ("HOME=" SANDBOX_HOME),
		"USER=user", "LOGNAME=user", "SHELL=/bin/sh", "LANG=C.UTF-8",
		"TERM=dumb", "TMPDIR=/tmp" };

	args(l, flags);
	if (!cmd->network)
		launch_arg(l, "--unshare-net");
	bind_all(lo, cmd, l);
	launch_arg(l, "--chdir");
	launch_arg(l, cmd->cwd != NULL ? cmd->cwd : SANDBOX_HOME);
	launch_arg(l, "--seccomp");
	launch_arg(l, launch_text(l, "%d", FD_FILTER));
	launch_arg(l, "--json-status-fd");
	launch_arg(l, launch_text(l, "%d", FD_STATUS));
	launch_arg(l, "--");
	limit_processes(lo, l);
	args(l, cmd->argv);
	/*
	 * No --clearenv with --setenv: that would put secrets on a command
	 * line. bwrap's own environment is exactly this one, and passed on.
	 */
	launch_path(lo, cmd, l);
	for (size_t i = 0; i < sizeof(base_env) / sizeof(base_env[0]); i++)
		launch_env(l, base_env[i]);
	for (size_t i = 0; cmd->env != NULL && cmd->env[i] != NULL; i++)
		launch_env(l, cmd->env[i]);
}
