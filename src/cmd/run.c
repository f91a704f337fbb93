/* taskmill run: one attempt from a spec, by hand and in tests. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "cmd/cmd.h"
#include "exec/runner.h"
#include "util/encode.h"
#include "util/file.h"

#define SPEC_MAX ((size_t)512 * 1024)

static const char help[] =
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

struct options {
	const char *spec, *spool;
	int secrets_fd, lock_fd;
};

/* A descriptor's number; false when it is none. */
static bool
read_fd(const char *text, int *fd)
{
	char *end;
	long n;

	errno = 0;
	n = strtol(text, &end, 10);
	if (errno != 0 || *end != '\0' || end == text || n < 0 || n > 65535)
		return false;
	*fd = (int)n;
	return fcntl(*fd, F_GETFD) != -1;
}

/* True if the options make sense; *done: help was asked for. */
static bool
read_options(int argc, char **argv, struct options *o, bool *done)
{
	static const struct option known[] = {
		{ "spec", required_argument, NULL, 's' },
		{ "spool", required_argument, NULL, 'd' },
		{ "secrets-fd", required_argument, NULL, 'x' },
		{ "lock-fd", required_argument, NULL, 'l' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	bool good = true;
	int c;

	while (good && (c = getopt_long(argc, argv, "", known, NULL)) != -1) {
		if (c == 's')
			o->spec = optarg;
		else if (c == 'd')
			o->spool = optarg;
		else if (c == 'x')
			good = read_fd(optarg, &o->secrets_fd);
		else if (c == 'l')
			good = read_fd(optarg, &o->lock_fd);
		else if (c == 'h')
			*done = true;
		else
			good = false;
	}
	return good &&
	    (*done || (optind == argc && o->spec != NULL && o->spool != NULL));
}

/* Copies the spec to where a runner looks for it. */
static int
copy_spec(const struct options *o, int spool_fd, struct err *e)
{
	struct buf text = BUF(SPEC_MAX);
	int rc = -1;

	if (file_read(AT_FDCWD, o->spec, &text, e) == 0)
		rc = file_replace(spool_fd, "spec.json",
		    text.data == NULL ? "" : text.data, text.len, 0600, e);
	buf_clear(&text);
	return rc;
}

static int
open_spool(const struct options *o, struct runner_input *in, struct err *e)
{
	if (encode_init(e) == -1 || dir_make(o->spool, 0700, e) == -1)
		return -1;
	in->spool_fd = open(o->spool, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (in->spool_fd == -1)
		return err_sys(e, ERR_INVALID, "open %s", o->spool);
	if (in->lock_fd == -1)
		in->lock_fd = file_lock(in->spool_fd, "lock", e);
	if (in->lock_fd == -2)
		return err_set(e, ERR_CONFLICT, "%s: a run is at work there",
		    o->spool);
	if (in->lock_fd == -1)
		return -1;
	return copy_spec(o, in->spool_fd, e);
}

int
cmd_run(int argc, char **argv)
{
	struct options o = { .secrets_fd = -1, .lock_fd = -1 };
	struct runner_input in;
	struct err e = { 0 };
	bool done = false;

	if (!read_options(argc, argv, &o, &done)) {
		(void)fputs(help, stderr);
		return EX_USAGE;
	}
	if (done) {
		(void)fputs(help, stdout);
		return EX_OK;
	}
	in = (struct runner_input){ -1, o.lock_fd, o.secrets_fd };
	if (open_spool(&o, &in, &e) == -1) {
		(void)fprintf(stderr, "taskmill run: %s\n", e.text);
		return e.kind == ERR_RETRY || e.kind == ERR_CONFLICT
		    ? EX_TEMPFAIL
		    : EX_NOINPUT;
	}
	return runner_run(&in);
}
