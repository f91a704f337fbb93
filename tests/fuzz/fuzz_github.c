/*
 * Any bytes as each of GitHub's answers. Whatever is read must be safe to put
 * into paths, links and JSON. The first two bytes stand for a status.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "github/classify.h"
#include "github/read.h"
#include "util/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
must(bool holds)
{
	if (!holds)
		abort();
}

static void
must_be_sha(const char *sha)
{
	size_t len = strspn(sha, "0123456789abcdef");

	must(sha[len] == '\0' && (len == 40 || len == 64));
}

static void
must_be_pull(const struct host_pull *p)
{
	must(p->number > 0);
	must_be_sha(p->head_sha);
	must(strncmp(p->url, "http", 4) == 0);
	must(strpbrk(p->url, "\"'<>\\ \r\n\t") == NULL);
}

static void
check_objects(const char *json, size_t len)
{
	struct host_viewer v = { 0 };
	struct host_repo r;
	struct host_ref ref;
	struct err e = { 0 };

	if (read_viewer(&v, json, len, &e) == 0)
		must(v.login[0] != '\0' &&
		    strpbrk(v.login, " <>\"'\r\n") == NULL);
	if (read_repo(&r, json, len, &e) == 0) {
		must(read_is_name(r.owner) && read_is_name(r.name));
		must(r.default_branch[0] == '\0' ||
		    branch_valid(r.default_branch));
	}
	if (read_ref(&ref, "main", json, len, &e) == 0)
		must_be_sha(ref.sha);
}

static void
check_pulls(const char *json, size_t len)
{
	struct host_pull_wish w = { .head = "b", .base = "main" };
	struct host_pull p;
	struct err e = { 0 };

	if (read_pull(&p, json, len, &e) == 0)
		must_be_pull(&p);
	if (read_pulls(&p, "o", &w, json, len, &e) == 0 && p.found)
		must_be_pull(&p);
}

static void
check_refusal(int status, const char *body, size_t len)
{
	struct refusal r = { .status = status,
		.retry_after_s = -1,
		.sso = "",
		.remaining = "",
		.reset = "",
		.body = body,
		.len = len };
	struct host_failure f;

	classify(&r, &f);
	must(f.outcome > HOST_OK && f.outcome < HOST_OUTCOME_N);
	must(f.retry_after_s >= -1 && f.retry_after_s <= WAIT_MAX_S);
	must(utf8_valid(f.message, strlen(f.message)));
	for (const char *c = f.message; *c != '\0'; c++)
		must((unsigned char)*c >= ' ' && *c != 0x7f);
	r.remaining = "0";
	r.reset = body;
	classify(&r, &f);
	must(f.retry_after_s >= -1 && f.retry_after_s <= WAIT_MAX_S);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text;

	if (size < 2 || (text = malloc(size - 1)) == NULL)
		return 0;
	memcpy(text, data + 2, size - 2);
	text[size - 2] = '\0';
	check_objects(text, size - 2);
	check_pulls(text, size - 2);
	check_refusal(100 + (data[0] * 256 + data[1]) % 500, text, size - 2);
	free(text);
	return 0;
}
