/*
 * An admin's rules, and a line that they are applied to: rules that are not
 * right are refused, and those that are do no harm whatever the line.
 *
 *	the rules, a NUL byte, the line
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agents/output.h"
#include "agents/rules.h"
#include "util/file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int
count(void *ctx, const char *json, size_t len, struct err *e)
{
	size_t *n = ctx;

	(void)e;
	*n += json[0] == '{' && json[len - 1] == '}';
	return 0;
}

static void
apply(const struct agent_rules *rules, const char *line, size_t len)
{
	size_t events = 0;
	const struct agent_output_spec spec = { .rules = rules,
		.event = count,
		.ctx = &events,
		.max_bytes = 1 << 20 };
	struct agent_report report = { 0 };
	struct agent_output *o = NULL;
	struct err e = { 0 };

	if (agent_output_open(&o, &spec, &e) == -1 ||
	    agent_output_feed(o, line, len, &e) == -1 ||
	    agent_output_end(o, 1, &report, &e) == -1 || report.success)
		abort();
	agent_report_clear(&report);
	agent_output_close(o);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *end = memchr(data, '\0', size);
	size_t len = end == NULL ? size : (size_t)(end - data);
	struct agent_rules *rules = NULL;
	struct err e = { 0 };
	char path[64];

	(void)snprintf(path, sizeof(path), "/tmp/tm-fuzz-rules.%ld",
	    (long)getpid());
	if (file_replace(AT_FDCWD, path, (const char *)data, len, 0600, &e) ==
	    -1)
		abort();
	if (agent_rules_read(&rules, path, &e) == 0)
		apply(rules, (const char *)data + len + (end != NULL),
		    size - len - (end != NULL));
	agent_rules_free(rules);
	(void)unlink(path);
	return 0;
}
