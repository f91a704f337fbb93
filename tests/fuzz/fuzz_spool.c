/*
 * A spool folder as a hostile or broken runner may leave it. The first two
 * bytes cut the input in two: events.ndjson and result.json. However that
 * looks, the reader ends, its numbers have no gap, what it passes on is one
 * valid JSON object an event, and a result has a known outcome.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "spool/spec.h"
#include "spool/spool.h"
#include "util/encode.h"
#include "util/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The folder is made once: fuzzing is about what is in it. */
static int folder = -1;

static void
must(bool holds)
{
	if (!holds)
		abort();
}

static void
open_folder(void)
{
	const char *tmp = getenv("TMPDIR");
	char path[200];
	struct err e = { 0 };

	/* What fuzzes never ends by itself: script/fuzz removes the folder. */
	(void)snprintf(path, sizeof(path), "%s/tm-fuzz-spool-XXXXXX",
	    tmp == NULL ? "/tmp" : tmp);
	must(encode_init(&e) == 0 && mkdtemp(path) != NULL);
	folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	must(folder != -1);
}

static void
put(const char *name, const uint8_t *bytes, size_t len)
{
	int fd = openat(folder, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC,
	    0600);

	must(fd != -1 && write(fd, bytes, len) == (ssize_t)len);
	(void)close(fd);
}

static void
read_events(uint64_t skip)
{
	struct spool_reader *r;
	struct spool_event ev;
	struct err e = { 0 };
	uint64_t last = skip;
	int rc;

	must(spool_reader_open(&r, folder, skip, &e) == 0);
	while ((rc = spool_reader_next(r, &ev, &e)) == 1) {
		must(ev.seq == ++last);
		must(ev.data_len >= 2 && ev.data[0] == '{');
		must(json_scan(ev.data, ev.data_len, &e) == 0);
		must(strlen(ev.at) == 26);
		if (last % 3 == 0) {
			spool_reader_back(r);
			must(spool_reader_next(r, &ev, &e) == 1);
			must(ev.seq == last);
		}
	}
	must(rc == 0);
	spool_reader_close(r);
}

static void
read_result(void)
{
	const struct spool_result_limits limits = { .patch_max = 4096,
		.small_max = 65536 };
	struct spool_result r;
	struct err e = { 0 };

	if (spool_result_read(folder, &limits, &r, &e) == 0) {
		must(strcmp(r.outcome, "completed") == 0 ||
		    strcmp(r.outcome, "failed") == 0 ||
		    strcmp(r.outcome, "cancelled") == 0);
		must(r.changed_files == NULL ||
		    json_scan(r.changed_files, strlen(r.changed_files), &e) ==
			0);
	} else {
		must(e.kind == ERR_BROKEN);
	}
	spool_result_clear(&r);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct spec spec = { 0 };
	struct err e = { 0 };
	size_t cut;

	if (size < 2)
		return 0;
	if (folder == -1)
		open_folder();
	cut = (size_t)(data[0] * 256 + data[1]) % (size - 1);
	put("events.ndjson", data + 2, cut);
	put("result.json", data + 2 + cut, size - 2 - cut);
	put("spec.json", data + 2 + cut, size - 2 - cut);
	read_events(0);
	read_events(data[0] % 4);
	read_result();
	if (spec_read(folder, &spec, &e) == 0)
		must(spec.prompt != NULL);
	spec_clear(&spec);
	return 0;
}
