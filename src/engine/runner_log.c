#include "engine/runner_log.h"

#include <string.h>

#include "util/buf.h"
#include "util/err.h"
#include "util/file.h"
#include "util/log.h"

#define FILE_NAME "runner.log"
#define FILE_MAX ((size_t)4 * 1024 * 1024)
#define LINES_MAX 2000 /* the first ones: how it began */

/* The lines are ours, but what a library or a crash prints stands there too. */
static void
show(char *line, const char *name)
{
	for (char *p = line; *p != '\0'; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			*p = '?';
	log_line(LOG_DEBUG, "said run=%s %s", name, line);
}

void
runner_log_show(int dirfd, const char *name)
{
	struct buf text = BUF(FILE_MAX);
	struct err e = { 0 };
	char *rest, *line;

	if (!log_wants(LOG_DEBUG))
		return;
	if (file_read_beneath(dirfd, FILE_NAME, &text, &e) == -1) {
		if (e.kind != ERR_ABSENT)
			log_err(LOG_DEBUG, &e, "runner's log run=%s", name);
		goto out;
	}
	if (text.data == NULL || memchr(text.data, '\0', text.len) != NULL)
		goto out;
	rest = text.data;
	for (int i = 0; i < LINES_MAX; i++) {
		if ((line = strsep(&rest, "\n")) == NULL)
			break;
		if (line[0] != '\0')
			show(line, name);
	}
out:
	buf_clear(&text);
}
