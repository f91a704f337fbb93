/*
 * github_client: calls the library and prints what it says as JSON, one line.
 *
 *	github_client viewer
 *	github_client repo OWNER NAME
 *	github_client branch OWNER NAME BRANCH
 *	github_client pull_find OWNER NAME HEAD BASE
 *	github_client pull_create OWNER NAME HEAD BASE TITLE BODY
 *
 * GITHUB_API_URL, GITHUB_CA and TIMEOUT_MS are as in struct github_options;
 * the token is in GITHUB_TOKEN. Exit status: 0, 1 when GitHub refused, 2.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "github/github.h"
#include "util/json.h"
#include "util/net.h"

struct run {
	struct code_host host;
	struct host_place at;
	char **words;
	struct json_out out;
	struct host_failure failure;
};

static int
do_viewer(struct run *r)
{
	struct host_viewer v;

	if (r->host.viewer(r->host.self, r->at.token, &v, &r->failure) == -1)
		return -1;
	json_name_text(&r->out, "login", v.login);
	json_name_bool(&r->out, "has_scopes", v.has_scopes);
	json_name_text(&r->out, "scopes", v.scopes);
	return 0;
}

static int
do_repo(struct run *r)
{
	struct host_repo repo;

	if (r->host.repo(r->host.self, &r->at, &repo, &r->failure) == -1)
		return -1;
	json_name_text(&r->out, "owner", repo.owner);
	json_name_text(&r->out, "name", repo.name);
	json_name_text(&r->out, "default_branch", repo.default_branch);
	json_name_bool(&r->out, "private", repo.is_private);
	json_name_bool(&r->out, "archived", repo.archived);
	json_name_bool(&r->out, "disabled", repo.disabled);
	json_name_bool(&r->out, "push", repo.may_push);
	json_name_bool(&r->out, "admin", repo.may_admin);
	return 0;
}

static int
do_branch(struct run *r)
{
	struct host_ref ref;

	if (r->host.branch(r->host.self, &r->at, r->words[0], &ref,
		&r->failure) == -1)
		return -1;
	json_name_bool(&r->out, "found", ref.found);
	json_name_text(&r->out, "sha", ref.sha);
	return 0;
}

static void
write_pull(struct run *r, const struct host_pull *p)
{
	json_name_bool(&r->out, "found", p->found);
	json_name_bool(&r->out, "existed", p->existed);
	json_name_int(&r->out, "number", p->number);
	json_name_text(&r->out, "url", p->url);
	json_name_text(&r->out, "sha", p->head_sha);
	json_name_text(&r->out, "state",
	    p->state == HOST_PULL_OPEN         ? "open"
		: p->state == HOST_PULL_MERGED ? "merged"
					       : "closed");
}

static int
do_pull_find(struct run *r)
{
	struct host_pull_wish w = { .head = r->words[0], .base = r->words[1] };
	struct host_pull p;

	if (r->host.pull_find(r->host.self, &r->at, &w, &p, &r->failure) == -1)
		return -1;
	write_pull(r, &p);
	return 0;
}

static int
do_pull_create(struct run *r)
{
	struct host_pull_wish w = { r->words[0], r->words[1], r->words[2],
		r->words[3] };
	struct host_pull p;

	if (r->host.pull_create(r->host.self, &r->at, &w, &p, &r->failure) ==
	    -1)
		return -1;
	write_pull(r, &p);
	return 0;
}

static const struct {
	const char *name;
	int words;
	int (*run)(struct run *r);
} calls[] = {
	{ "viewer", 0, do_viewer },
	{ "repo", 2, do_repo },
	{ "branch", 3, do_branch },
	{ "pull_find", 4, do_pull_find },
	{ "pull_create", 6, do_pull_create },
};

static int
call(struct run *r, int argc, char **argv)
{
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		if (argc != calls[i].words + 2 ||
		    strcmp(argv[1], calls[i].name) != 0)
			continue;
		if (calls[i].words >= 2) {
			r->at.owner = argv[2];
			r->at.name = argv[3];
			r->words = argv + 4;
		}
		return calls[i].run(r) == 0 ? 0 : 1;
	}
	(void)fputs("usage: see the head of github_client.c\n", stderr);
	return 2;
}

static void
write_failure(struct run *r)
{
	json_name_text(&r->out, "outcome",
	    host_outcome_name(r->failure.outcome));
	json_name_text(&r->out, "text", host_text(r->failure.outcome));
	json_name_int(&r->out, "status", r->failure.status);
	json_name_int(&r->out, "retry_after_s", r->failure.retry_after_s);
	json_name_text(&r->out, "message", r->failure.message);
}

int
main(int argc, char **argv)
{
	const char *limit = getenv("TIMEOUT_MS"),
		   *token = getenv("GITHUB_TOKEN");
	struct github_options o = { .api_url = getenv("GITHUB_API_URL"),
		.ca_file = getenv("GITHUB_CA"),
		.timeout_ms =
		    limit == NULL ? 0 : (int)strtol(limit, NULL, 10) };
	struct buf text = BUF(65536);
	struct run r = { .at = { .token = token == NULL ? "" : token } };
	struct github *g = NULL;
	struct err e = { 0 };
	int rc = 2;

	(void)signal(SIGPIPE, SIG_IGN);
	if (net_init(&e) == -1 || github_new(&g, &o, &e) == -1) {
		(void)fprintf(stderr, "%s\n", e.text);
		return 2;
	}
	github_as_host(g, &r.host);
	json_start(&r.out, &text);
	json_open(&r.out);
	rc = call(&r, argc, argv);
	if (rc == 1)
		write_failure(&r);
	json_close(&r.out);
	if (rc != 2 && buf_ok(&text))
		(void)puts(text.data);
	buf_clear(&text);
	github_free(g);
	net_end();
	return rc;
}
