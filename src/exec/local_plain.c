/*
 * local: a command without bubblewrap, only where SIMULATION_ISOLATION=none
 * allows it (B3). It sees the machine as the sandbox's user does.
 *
 * Without a mount namespace there is no /home/user and no /control, so what
 * names them is translated: arguments, values in the environment and the
 * folder that are one of these paths, or lie below one. What a file says is
 * not: scripts take these paths from $HOME and from their environment.
 */
#include <string.h>

#include "exec/local.h"

/* The part of the workspace that path means, or NULL; *rest: what follows. */
static const char *
folder_of(const char *path, const char **rest)
{
	static const struct {
		const char *inside, *outside;
	} folders[] = { { SANDBOX_HOME, "home" },
		{ SANDBOX_CONTROL, "control" } };

	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
		size_t n = strlen(folders[i].inside);

		if (strncmp(path, folders[i].inside, n) != 0 ||
		    (path[n] != '\0' && path[n] != '/'))
			continue;
		*rest = path + n;
		return folders[i].outside;
	}
	return NULL;
}

/* Text with the path in it translated, if it is one. prefix comes before. */
static const char *
translate(const struct local *lo, struct launch *l, const char *text,
    size_t prefix)
{
	const char *rest;
	const char *folder = folder_of(text + prefix, &rest);

	if (folder == NULL)
		return text;
	return launch_text(l, "%.*s%s/%s%s", (int)prefix, text, lo->root,
	    folder, rest);
}

static void
add_env(const struct local *lo, struct launch *l, const char *pair)
{
	const char *equals = strchr(pair, '=');
	size_t prefix = equals == NULL ? 0 : (size_t)(equals - pair) + 1;

	launch_env(l, translate(lo, l, pair, prefix));
}

void
local_plain_launch(const struct local *lo, const struct sandbox_cmd *cmd,
    struct launch *l)
{
	static const char *const base_env[] = { ("HOME=" SANDBOX_HOME),
		"USER=user", "LOGNAME=user", "SHELL=/bin/sh", "LANG=C.UTF-8",
		"TERM=dumb" };

	for (size_t i = 0; cmd->argv[i] != NULL; i++)
		launch_arg(l, translate(lo, l, cmd->argv[i], 0));
	launch_path(lo, cmd, l);
	for (size_t i = 0; i < sizeof(base_env) / sizeof(base_env[0]); i++)
		add_env(lo, l, base_env[i]);
	launch_env(l, launch_text(l, "TMPDIR=%s/tmp", lo->root));
	/* For the reaper's search, should we be killed (P5). */
	launch_env(l, launch_text(l, "TASKMILL_SANDBOX=%s", lo->name));
	for (size_t i = 0; cmd->env != NULL && cmd->env[i] != NULL; i++)
		add_env(lo, l, cmd->env[i]);
	l->cwd =
	    translate(lo, l, cmd->cwd != NULL ? cmd->cwd : SANDBOX_HOME, 0);
}
