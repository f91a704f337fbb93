/* The result, the runner's pid, spec, secrets and the spawner's messages. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "folder.h"
#include "spool/spawn.h"
#include "spool/spec.h"
#include "spool/spool.h"
#include "util/file.h"

#define SECRET "ghp_0123456789abcdefghij"
#define HASH "0123456789abcdef0123456789abcdef01234567"

static const struct spool_result_limits limits = { .patch_max = 1000,
	.small_max = 4000 };

static void
write_result(const struct folder *f, const struct spool_result *r)
{
	struct redact *redact;
	struct spool_writer *w;
	struct err e = { 0 };

	assert_int_equal(redact_new(&redact, &e), 0);
	assert_int_equal(redact_learn(redact, SECRET, strlen(SECRET), &e), 0);
	assert_int_equal(spool_writer_open(&w, f->fd, redact, 100, &e), 0);
	assert_int_equal(spool_finish(w, r, &e), 0);
	spool_writer_close(w);
	redact_free(redact);
}

static void
test_result_comes_back(void **state)
{
	struct folder *f = *state;
	static char outcome[] = "completed", hash[] = HASH,
		    message[] = "said " SECRET " \xff",
		    files[] = "[\"a\",\"b\\n\"]", diff[] = "+\xff " SECRET,
		    patch[] = "\xff\0 patch", metadata[] = "{\"x\":1}",
		    id[] = "local-1";
	const struct spool_result in = { .outcome = outcome,
		.commit_hash = hash,
		.sandbox_id = id,
		.message = message,
		.changed_files = files,
		.diff = diff,
		.diff_len = strlen(diff),
		.patch = patch,
		.patch_len = sizeof(patch) - 1,
		.metadata = metadata };
	struct spool_result r;
	struct err e = { 0 };

	assert_false(spool_has_result(f->fd));
	write_result(f, &in);
	assert_true(spool_has_result(f->fd));
	assert_int_equal(spool_result_read(f->fd, &limits, &r, &e), 0);
	assert_string_equal(r.outcome, "completed");
	assert_null(r.failure);
	assert_null(r.error);
	assert_string_equal(r.commit_hash, HASH);
	assert_string_equal(r.sandbox_id, "local-1");
	assert_string_equal(r.message, "said [redacted] \xef\xbf\xbd");
	assert_string_equal(r.changed_files, "[\"a\",\"b\\n\"]");
	assert_string_equal(r.diff, "+\xef\xbf\xbd [redacted]");
	assert_int_equal(r.patch_len, sizeof(patch) - 1);
	assert_memory_equal(r.patch, patch, sizeof(patch) - 1);
	assert_string_equal(r.metadata, "{\"x\":1}");
	spool_result_clear(&r);
}

static void
test_empty_is_not_absent(void **state)
{
	struct folder *f = *state;
	static char outcome[] = "completed", empty[] = "";
	const struct spool_result in = { .outcome = outcome,
		.diff = empty,
		.patch = empty };
	struct spool_result r;
	struct err e = { 0 };

	write_result(f, &in);
	assert_int_equal(spool_result_read(f->fd, &limits, &r, &e), 0);
	assert_string_equal(r.diff, "");
	assert_string_equal(r.patch, "");
	assert_null(r.metadata);
	assert_null(r.commit_hash);
	spool_result_clear(&r);
}

static void
expect_broken(const struct folder *f, const char *text)
{
	struct spool_result r;
	struct err e = { 0 };

	folder_write(f, "result.json", text, strlen(text));
	assert_int_equal(spool_result_read(f->fd, &limits, &r, &e), -1);
	assert_int_equal(e.kind, ERR_BROKEN);
	assert_null(r.outcome);
}

static void
test_broken_results(void **state)
{
	struct folder *f = *state;
	static const char good[] = "{\"version\":1,\"outcome\":\"failed\","
				   "\"patch_bytes\":4}";
	char text[sizeof(good)];
	char big[5000];
	struct spool_result r;
	struct err e = { 0 };

	assert_int_equal(spool_result_read(f->fd, &limits, &r, &e), -1);
	assert_int_equal(e.kind, ERR_ABSENT);
	expect_broken(f, good); /* patch is not there */
	folder_write(f, "patch", "abc", 3);
	expect_broken(f, good); /* nor of this size */
	folder_write(f, "patch", "abcd", 4);
	for (size_t cut = 0; cut < sizeof(good) - 1; cut++) {
		(void)snprintf(text, sizeof(text), "%.*s", (int)cut, good);
		expect_broken(f, text);
	}
	expect_broken(f, "[]");
	expect_broken(f, "{}");
	expect_broken(f, "{\"outcome\":\"pending\"}");
	expect_broken(f, "{\"outcome\":1}");
	expect_broken(f, "{\"outcome\":\"failed\",\"failure\":\"Bad Name\"}");
	expect_broken(f, "{\"outcome\":\"failed\",\"commit_hash\":\"HEAD\"}");
	expect_broken(f, "{\"outcome\":\"failed\",\"sandbox_id\":\"a b\"}");
	expect_broken(f, "{\"outcome\":\"failed\",\"changed_files\":[1]}");
	expect_broken(f, "{\"outcome\":\"failed\",\"changed_files\":{}}");
	expect_broken(f, "{\"outcome\":\"failed\",\"patch_bytes\":-1}");
	expect_broken(f, "{\"outcome\":\"failed\",\"patch_bytes\":1001}");
	expect_broken(f, "{\"outcome\":\"failed\",\"patch_bytes\":\"4\"}");
	folder_write(f, "metadata.json", "[]", 2);
	expect_broken(f, "{\"outcome\":\"failed\",\"metadata_bytes\":2}");
	folder_write(f, "diff", "\xff\xfe", 2);
	expect_broken(f, "{\"outcome\":\"failed\",\"diff_bytes\":2}");
	memset(big, ' ', sizeof(big));
	big[sizeof(big) - 1] = '\0';
	expect_broken(f, big);
	assert_int_equal(unlinkat(f->fd, "patch", 0), 0);
	assert_int_equal(symlinkat("/etc/passwd", f->fd, "patch"), 0);
	expect_broken(f, good);
	assert_int_equal(unlinkat(f->fd, "result.json", 0), 0);
	assert_int_equal(mkfifoat(f->fd, "result.json", 0600), 0);
	assert_false(spool_has_result(f->fd));
	assert_int_equal(spool_result_read(f->fd, &limits, &r, &e), -1);
	assert_int_equal(e.kind, ERR_BROKEN);
}

static void
test_runner_pid(void **state)
{
	struct folder *f = *state;
	static const char *const bad[] = { "", "12", "12 34", "x 34\n",
		"1 34\n", "-5 34\n" };
	struct err e = { 0 };
	int64_t pid;
	uint64_t start;

	assert_int_equal(spool_runner_pid(f->fd, &pid, &start, &e), -1);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		folder_write(f, "lock", bad[i], strlen(bad[i]));
		assert_int_equal(spool_runner_pid(f->fd, &pid, &start, &e), -1);
		assert_int_equal(e.kind, ERR_ABSENT);
	}
	folder_write(f, "lock", "12 345678901234\n", 16);
	assert_int_equal(spool_runner_pid(f->fd, &pid, &start, &e), 0);
	assert_true(pid == 12 && start == 345678901234u);
}

static void
fill_spec(struct spec *s)
{
	*s = (struct spec){ .task_id = INT64_MAX,
		.attempt = 3,
		.agent_network = true,
		.memory_mb = 2048,
		.life_s = 600,
		.patch_max_bytes = 52428800 };
	s->prompt = strdup("do \"this\"\n\xc3\xbc");
	s->clone_url = strdup("https://x/y.git");
	s->origin_url = strdup("https://x/");
	s->branch = strdup("main");
	s->agent = strdup("claude");
	s->mode = strdup("simulation");
	s->share_dir = strdup("/s");
	s->sandbox_dir = strdup("/b");
	s->ca_file = strdup("");
	s->isolation = strdup("bwrap");
	s->agent_kind = strdup("simulated");
	s->sandbox_user = strdup("nobody");
}

static void
test_spec(void **state)
{
	struct folder *f = *state;
	struct spec s, t;
	struct err e = { 0 };
	static char text[4096];
	unsigned long len;

	fill_spec(&s);
	assert_int_equal(spec_write(f->fd, &s, &e), 0);
	assert_int_equal(spec_read(f->fd, &t, &e), 0);
	assert_string_equal(t.prompt, s.prompt);
	assert_string_equal(t.sandbox_user, "nobody");
	assert_true(t.task_id == INT64_MAX && t.attempt == 3);
	assert_true(t.agent_network && t.patch_max_bytes == 52428800);
	spec_clear(&s);
	spec_clear(&t);

	/* No prefix of a spec is a spec. */
	len = folder_read(f, "spec.json", text, sizeof(text));
	for (size_t cut = 0; cut < len - 1; cut++) {
		folder_write(f, "spec.json", text, cut);
		assert_int_equal(spec_read(f->fd, &t, &e), -1);
		assert_int_equal(e.kind, ERR_BROKEN);
		assert_null(t.prompt);
	}
	folder_write(f, "spec.json", "{\"version\":2}", 13);
	assert_int_equal(spec_read(f->fd, &t, &e), -1);
	assert_non_null(strstr(e.text, "version 2"));
	text[0] = '{';
	folder_write(f, "spec.json", text, len);
	*strstr(text, "\"attempt\":3") = ' ';
	folder_write(f, "spec.json", text, len);
	assert_int_equal(spec_read(f->fd, &t, &e), -1);
}

/* Writes bytes into a pipe, closes it, reads secrets from it. */
static int
read_secrets(const char *bytes, size_t len, struct secrets *s, struct err *e)
{
	int p[2], rc;

	assert_int_equal(pipe(p), 0);
	assert_int_equal(fd_write_all(p[1], bytes, len, e), 0);
	(void)close(p[1]);
	rc = secrets_read(p[0], 1000, s, e);
	(void)close(p[0]);
	return rc;
}

static void
test_secrets(void **state)
{
	struct secrets s = { 0 }, t;
	struct err e = { 0 };
	char text[1000];
	ssize_t len;
	int p[2];

	(void)state;
	s.github_token = strdup(SECRET);
	s.env[0] = strdup("ANTHROPIC_API_KEY=k\"=\n");
	s.env[1] = strdup("OPENAI_API_KEY=");
	assert_int_equal(pipe(p), 0);
	assert_int_equal(secrets_write(p[1], &s, &e), 0);
	len = read(p[0], text, sizeof(text));
	assert_true(len > 0);
	secrets_clear(&s);
	assert_int_equal(read_secrets(text, (size_t)len, &t, &e), 0);
	assert_string_equal(t.github_token, SECRET);
	assert_string_equal(t.env[0], "ANTHROPIC_API_KEY=k\"=\n");
	assert_string_equal(t.env[1], "OPENAI_API_KEY=");
	assert_null(t.env[2]);
	secrets_clear(&t);

	/* A reaper that died in the middle (row 15). */
	for (size_t cut = 0; cut < (size_t)len; cut++) {
		assert_int_equal(read_secrets(text, cut, &t, &e), -1);
		assert_int_equal(e.kind, ERR_ABSENT);
		assert_null(t.github_token);
	}
	/* One that hangs in the middle. */
	assert_int_equal(fd_write_all(p[1], text, 10, &e), 0);
	assert_int_equal(secrets_read(p[0], 50, &t, &e), -1);
	assert_int_equal(e.kind, ERR_ABSENT);
	(void)close(p[0]);
	(void)close(p[1]);
	assert_int_equal(
	    read_secrets("{\"github_token\":\"\",\"env\":{\"a\":\"\"}}", 33, &t,
		&e),
	    -1);
}

static void
test_spawn_messages(void **state)
{
	struct folder *f = *state;
	struct spawn_request rq;
	struct err e = { 0 };
	struct stat a, b;
	pid_t pid;
	int sock[2], pidfd;

	assert_int_equal(
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sock), 0);
	assert_int_equal(spawn_request(sock[0], "12.3", f->fd, 0, 0, &e), 0);
	assert_int_equal(spawn_receive(sock[1], &rq, &e), 1);
	assert_string_equal(rq.name, "12.3");
	assert_int_equal(fstat(f->fd, &a), 0);
	assert_int_equal(fstat(rq.spool_fd, &b), 0);
	assert_int_equal(a.st_ino, b.st_ino);
	assert_int_equal(fcntl(rq.spool_fd, F_GETFD), FD_CLOEXEC);
	(void)close(rq.lock_fd);
	(void)close(rq.secrets_fd);

	assert_int_equal(spawn_reply(sock[0], 10, &pid, &pidfd, &e), -1);
	assert_int_equal(spawn_answer(sock[1], 42, rq.spool_fd, 0, &e), 0);
	assert_int_equal(spawn_reply(sock[0], 10, &pid, &pidfd, &e), 0);
	assert_int_equal(pid, 42);
	(void)close(pidfd);
	(void)close(rq.spool_fd);
	assert_int_equal(spawn_answer(sock[1], -1, -1, 11, &e), 0);
	assert_int_equal(spawn_reply(sock[0], 10, &pid, &pidfd, &e), -1);
	assert_int_equal(e.kind, ERR_RETRY);

	assert_int_equal(spawn_request(sock[0], "../12.3", 0, 0, 0, &e), 0);
	assert_int_equal(spawn_receive(sock[1], &rq, &e), -1);
	(void)close(sock[0]);
	assert_int_equal(spawn_receive(sock[1], &rq, &e), 0);
	(void)close(sock[1]);
}

#define TEST(t) \
	cmocka_unit_test_setup_teardown(t, folder_setup, folder_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_result_comes_back),
		TEST(test_empty_is_not_absent),
		TEST(test_broken_results),
		TEST(test_runner_pid),
		TEST(test_spec),
		TEST(test_secrets),
		TEST(test_spawn_messages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
