#include "cmd/cmd.h"

#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "auth/seal.h"
#include "cmd/admin.h"
#include "cmd/options.h"
#include "util/file.h"

static const char usage[] =
    "usage: taskmill keygen [--rotate] [--config FILE]\n\n"
    "Makes the key pair that seals users' repository tokens until their task\n"
    "ends, in STATE_DIR/keys. Does nothing when there is one; --rotate makes a\n"
    "new one, and the old one stays for tasks that wait. Machines that share\n"
    "a database share this folder's contents.\n";

static int
keygen(const char *config, bool rotate, struct err *e)
{
	char dir[256], key_id[SEAL_KEY_ID];
	struct seal_public key;
	struct admin a;
	int rc = -1;

	if (admin_open(&a, config, e) == -1)
		return -1;
	(void)snprintf(dir, sizeof(dir), "%s/keys", a.cfg.state_dir);
	if (dir_make(a.cfg.state_dir, 0711, e) == -1)
		goto out;
	if (!rotate && seal_public_load(&key, dir, e) == 0) {
		(void)printf("key %s is there already\n", key.key_id);
		rc = 0;
		goto out;
	}
	if (!rotate && e->kind != ERR_ABSENT)
		goto out;
	if (seal_key_make(dir, key_id, e) == -1)
		goto out;
	(void)printf("made key %s in %s\n", key_id, dir);
	rc = 0;
out:
	admin_close(&a);
	return rc;
}

struct keygen_args {
	const char *config;
	bool rotate;
};

static const struct option_row rows[] = {
	{ "config", OPTION_TEXT, offsetof(struct keygen_args, config), 0, 0,
	    0 },
	{ "rotate", OPTION_FLAG, offsetof(struct keygen_args, rotate), 0, 0,
	    0 },
};

int
cmd_keygen(int argc, char **argv)
{
	static const struct command_line line = COMMAND_LINE(usage, rows);
	struct keygen_args args = { 0 };
	struct err e = { 0 };
	int status;

	if (!options_read_all(&line, &args, argc, argv, &status))
		return status;
	if (keygen(args.config, args.rotate, &e) == -1)
		return cmd_fail("keygen", &e);
	return EX_OK;
}
