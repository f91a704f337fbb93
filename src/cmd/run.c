/* taskmill run: one attempt from a spec, by hand and in tests. */
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <sysexits.h>
#include <unistd.h>

#include "cmd/admin.h"
#include "cmd/cmd.h"
#include "cmd/options.h"
#include "exec/runner.h"
#include "util/encode.h"
#include "util/file.h"

#define SPEC_MAX ((size_t)512 * 1024)

static const char usage[] =
    "usage: taskmill run --spec FILE --spool DIR [--secrets-fd N] "
    "[--lock-fd N]\n"
    "\n"
    "Runs one attempt at one task, without a database: clones, runs the agent,\n"
    "and leaves events.ndjson and result.json in DIR.\n"
    "\n"
    "  --spec FILE      what to do (JSON); copied into DIR\n"
    "  --spool DIR      folder of the attempt; made when it is not there\n"
    "  --secrets-fd N   descriptor to read the secrets from, to its end:\n"
    "                   {\"github_token\":\"\",\"env\":{\"NAME\":\"value\"}}\n"
    "  --lock-fd N      descriptor of DIR/lock, locked; taken when not given\n"
    "\n"
    "SIGTERM cancels the run. Exit status: 0 there is a result, whatever the\n"
    "outcome; 75 there is none, try again; 70 there is none, and spec or\n"
    "folder are broken.\n";

struct run_args {
	const char *spec, *spool;
	int secrets_fd, lock_fd;
};

#define AT(field) offsetof(struct run_args, field)

static const struct option_row rows[] = {
	{ "spec", OPTION_TEXT, AT(spec), 0, 0, 0 },
	{ "spool", OPTION_TEXT, AT(spool), 0, 0, 0 },
	{ "secrets-fd", OPTION_FD, AT(secrets_fd), 0, 0, 0 },
	{ "lock-fd", OPTION_FD, AT(lock_fd), 0, 0, 0 },
};

/* Copies the spec to where a runner looks for it. */
static int
copy_spec(const struct run_args *args, int spool_fd, struct err *e)
{
	struct buf text = BUF(SPEC_MAX);
	int rc = -1;

	if (file_read(AT_FDCWD, args->spec, &text, e) == 0)
		rc = file_replace(spool_fd, "spec.json",
		    text.data == NULL ? "" : text.data, text.len, 0600, e);
	buf_clear(&text);
	return rc;
}

static int
open_spool(const struct run_args *args, struct runner_input *in, struct err *e)
{
	if (encode_init(e) == -1 || dir_make(args->spool, 0700, e) == -1)
		return -1;
	in->spool_fd = open(args->spool, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (in->spool_fd == -1)
		return err_sys(e, ERR_INVALID, "open %s", args->spool);
	if (in->lock_fd == -1)
		in->lock_fd = file_lock(in->spool_fd, "lock", e);
	if (in->lock_fd == -2)
		return err_set(e, ERR_CONFLICT, "%s: a run is at work there",
		    args->spool);
	if (in->lock_fd == -1)
		return -1;
	return copy_spec(args, in->spool_fd, e);
}

int
cmd_run(int argc, char **argv)
{
	static const struct command_line line = COMMAND_LINE(usage, rows);
	struct run_args args = { .secrets_fd = -1, .lock_fd = -1 };
	struct runner_input in;
	struct err e = { 0 };
	int status;

	if (!options_read_all(&line, &args, argc, argv, &status))
		return status;
	if (args.spec == NULL || args.spool == NULL)
		return cmd_usage(usage);
	in = (struct runner_input){ -1, args.lock_fd, args.secrets_fd };
	if (open_spool(&args, &in, &e) == -1) {
		(void)fprintf(stderr, "taskmill run: %s\n", e.text);
		return e.kind == ERR_RETRY || e.kind == ERR_CONFLICT
		    ? EX_TEMPFAIL
		    : EX_NOINPUT;
	}
	return runner_run(&in);
}
