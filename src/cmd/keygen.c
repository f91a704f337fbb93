#include "cmd/cmd.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "auth/seal.h"
#include "cmd/admin.h"
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

int
cmd_keygen(int argc, char **argv)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "rotate", no_argument, NULL, 'r' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	struct err e = { 0 };
	const char *config = NULL;
	bool rotate = false;
	int o;

	while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (o) {
		case 'h':
			(void)fputs(usage, stdout);
			return EX_OK;
		case 'c':
			config = optarg;
			break;
		case 'r':
			rotate = true;
			break;
		default:
			return cmd_usage(usage);
		}
	}
	if (optind != argc)
		return cmd_usage(usage);
	if (keygen(config, rotate, &e) == -1)
		return cmd_fail("keygen", &e);
	return EX_OK;
}
