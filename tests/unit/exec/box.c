#include "box.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "util/encode.h"
#include "util/file.h"

/* Too many for any test to come near them. */
#define ROOMY 20000

char box_base[64];
const char *box_isolation;
long box_room;

int
box_setup(void **state)
{
	struct err e = { 0 };

	(void)state;
	(void)snprintf(box_base, sizeof(box_base), "/tmp/tm-box-XXXXXX");
	if (encode_init(&e) == -1 || mkdtemp(box_base) == NULL)
		return -1;
	return chmod(box_base, 0711);
}

int
box_teardown(void **state)
{
	struct err e = { 0 };

	(void)state;
	return dir_remove(AT_FDCWD, box_base, &e);
}

/* All that belongs to the user who runs what is in a sandbox: as root, nobody.
 */
static long
tasks_of_user(void)
{
	char line[100];
	long count = 0;
	FILE *f = popen("u=$(id -u); [ $u != 0 ] || u=nobody;"
			"ps -L --no-headers -o lwp -u $u",
	    "re");

	assert_non_null(f);
	while (fgets(line, sizeof(line), f) != NULL)
		count++;
	(void)pclose(f);
	return count;
}

/*
 * Without isolation the kernel counts all processes of a user, and there may be
 * other tests of his beside this one: only who needs a bound has one.
 */
static long
limit_of_processes(void)
{
	if (strcmp(box_isolation, "none") != 0)
		return 100;
	return box_room == 0 ? ROOMY : tasks_of_user() + box_room;
}

struct sandbox_spec
box_spec(const char *dir)
{
	return (struct sandbox_spec){ .kind = "local",
		.name = "12.3",
		.dir = dir,
		.isolation = box_isolation,
		.user = "nobody",
		.limits = { .memory_mb = 256,
		    .processes = limit_of_processes(),
		    .open_files = 64,
		    .file_mb = 1,
		    .cpu_s = 5 } };
}

struct sandbox *
box_open(void)
{
	const struct sandbox_spec spec = box_spec(box_base);
	struct sandbox *sb;
	struct err e = { 0 };

	if (sandbox_open(&sb, &spec, &e) == -1)
		fail_msg("%s", e.text);
	return sb;
}

static int
collect(void *ctx, enum sandbox_stream from, const char *bytes, size_t len,
    struct err *e)
{
	struct buf *out = ctx;

	(void)from;
	(void)e;
	if (out->len + len <= out->max)
		buf_add(out, bytes, len);
	return 0;
}

struct sandbox_end
box_run(struct sandbox *sb, struct sandbox_cmd cmd, const char *script,
    struct buf *out)
{
	const char *const argv[] = { "/bin/sh", "-c", script, NULL };
	struct sandbox_end end;
	struct err e = { 0 };

	buf_reset(out);
	cmd.argv = argv;
	cmd.output = collect;
	cmd.ctx = out;
	if (sandbox_run(sb, &cmd, &end, &e) == -1)
		fail_msg("%s", e.text);
	buf_add(out, "", 0);
	return end;
}

const struct sandbox_cmd box_plain = { .limit_s = 20 };

bool
box_have_bwrap(void)
{
	struct sandbox_spec spec;
	char how[200];
	struct err e = { 0 };
	bool have;

	box_isolation = "bwrap";
	if (box_setup(NULL) == -1)
		return false;
	spec = box_spec(box_base);
	have = sandbox_probe(&spec, how, sizeof(how), &e) == 0;
	if (!have)
		print_message("bubblewrap is not tested here: %s\n", e.text);
	(void)box_teardown(NULL);
	return have;
}
