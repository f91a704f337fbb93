/* Timers, the table of runs, the lock as the sign of life, batches. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/batch.h"
#include "engine/identity.h"
#include "engine/leftover.h"
#include "engine/run.h"
#include "engine/timer.h"
#include "util/encode.h"
#include "util/file.h"

struct place {
	char path[64];
	int fd;
};

static int
setup(void **state)
{
	struct place *p = calloc(1, sizeof(*p));
	struct err e = { 0 };

	assert_non_null(p);
	assert_int_equal(encode_init(&e), 0);
	(void)snprintf(p->path, sizeof(p->path), "/tmp/test-engine-XXXXXX");
	assert_non_null(mkdtemp(p->path));
	p->fd = open(p->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(p->fd >= 0);
	*state = p;
	return 0;
}

static int
teardown(void **state)
{
	struct place *p = *state;
	struct err e = { 0 };

	(void)close(p->fd);
	assert_int_equal(dir_remove(AT_FDCWD, p->path, &e), 0);
	free(p);
	return 0;
}

static void
timers(void **state)
{
	struct timer t = { 0 };

	(void)state;
	assert_true(timer_due(&t, 0));
	timer_set(&t, 1000, 500);
	assert_false(timer_due(&t, 1499));
	assert_true(timer_due(&t, 1500));
	assert_int_equal(timer_earlier(9000, &t), 1500);
	assert_int_equal(timer_earlier(1200, &t), 1200);
	for (int i = 0; i < 1000; i++) {
		int64_t ms = jittered(10000);

		assert_in_range(ms, 8000, 12000);
	}
	assert_int_equal(jittered(0), 0);
}

static void
backoff_doubles_up_to_a_limit(void **state)
{
	struct backoff b = { 0 };

	(void)state;
	assert_true(backoff_over(&b, 0));
	backoff_fail(&b, 1000);
	assert_false(backoff_over(&b, 1000));
	assert_true(backoff_over(&b, 1000 + BACKOFF_FIRST_MS * 12 / 10));
	for (int i = 0; i < 20; i++)
		backoff_fail(&b, 5000);
	assert_true(b.until_ms <= 5000 + BACKOFF_MOST_MS * 12 / 10);
	assert_true(b.until_ms >= 5000 + BACKOFF_MOST_MS * 8 / 10);
	backoff_ok(&b);
	assert_true(backoff_over(&b, 5000));
	assert_int_equal(b.wait_ms, 0);
	b.most_ms = 60000;
	for (int i = 0; i < 20; i++)
		backoff_fail(&b, 5000);
	assert_int_equal(b.wait_ms, 60000);
	backoff_ok(&b);
	assert_int_equal(b.most_ms, 60000);
}

static struct run *
run_at(const struct place *p, int64_t task, unsigned int attempt)
{
	const struct hold h = { task, attempt };
	struct err e = { 0 };
	char name[SPOOL_NAME_MAX];
	int fd;

	spool_name(name, task, attempt);
	assert_int_equal(mkdirat(p->fd, name, 0700), 0);
	fd = openat(p->fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(fd >= 0);
	return run_new(&h, fd, &e);
}

static void
table_of_runs(void **state)
{
	struct runs rs = { 0 };
	struct err e = { 0 };

	for (int i = 1; i <= 100; i++)
		assert_int_equal(runs_add(&rs, run_at(*state, i, 1), &e), 0);
	assert_non_null(runs_find(&rs, &(struct hold){ 57, 1 }));
	assert_null(runs_find(&rs, &(struct hold){ 57, 2 }));
	for (size_t i = 0; i < rs.count; i++)
		rs.at[i]->over = rs.at[i]->hold.task_id % 2 == 0;
	runs_sweep(&rs);
	assert_int_equal(rs.count, 50);
	assert_null(runs_find(&rs, &(struct hold){ 58, 1 }));
	assert_non_null(runs_find(&rs, &(struct hold){ 57, 1 }));
	runs_clear(&rs);
	assert_int_equal(rs.count, 0);
}

/* A child that holds the lock, and says in the file who it is. */
static pid_t
hold_lock(const struct run *r, bool with_pid)
{
	struct err e = { 0 };
	char text[64];
	int ready[2], fd;
	pid_t pid;

	assert_int_equal(pipe(ready), 0);
	fd = file_lock(r->dirfd, "lock", &e);
	assert_true(fd >= 0);
	if ((pid = fork()) == 0) {
		(void)snprintf(text, sizeof(text), "%ld %ju\n", (long)getpid(),
		    (uintmax_t)proc_start_time(getpid()));
		if (with_pid && write(fd, text, strlen(text)) < 0)
			_exit(1);
		if (write(ready[1], "", 1) < 0)
			_exit(1);
		for (;;)
			(void)pause();
	}
	assert_true(pid > 0);
	(void)close(fd);
	assert_int_equal(read(ready[0], text, 1), 1);
	(void)close(ready[0]);
	(void)close(ready[1]);
	return pid;
}

static void
end_child(pid_t pid)
{
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void
lock_is_the_sign_of_life(void **state)
{
	struct run *r = run_at(*state, 7, 1);
	pid_t pid = hold_lock(r, true);

	assert_true(run_alive(r)); /* finds the process on its way */
	assert_int_equal(r->proc.pid, pid);
	assert_true(r->began);
	end_child(pid);
	assert_true(run_alive(r)); /* nobody has said that it ended */
	r->exited = true;
	assert_false(run_alive(r));
	run_free(r);
}

static void
lock_counts_without_a_pid(void **state)
{
	struct run *r = run_at(*state, 8, 1);
	pid_t pid;

	assert_false(run_alive(r)); /* not even a lock file */
	pid = hold_lock(r, false);
	assert_true(run_alive(r));
	assert_int_equal(r->proc.pidfd, -1);
	assert_false(r->began);
	end_child(pid);
	assert_false(run_alive(r));
	run_free(r);
}

/* P2: the pid is there, but its start time is another one's. */
static void
pid_of_a_stranger_is_not_taken(void **state)
{
	struct run *r = run_at(*state, 9, 1);
	struct err e = { 0 };
	char text[64];

	(void)snprintf(text, sizeof(text), "%ld %ju\n", (long)getpid(),
	    (uintmax_t)proc_start_time(getpid()) + 1);
	assert_int_equal(
	    file_replace(r->dirfd, "lock", text, strlen(text), 0600, &e), 0);
	assert_false(run_find_process(r));
	assert_int_equal(r->proc.pidfd, -1);
	assert_true(r->began);
	assert_false(run_alive(r));
	run_free(r);
}

static void
news(void **state)
{
	struct run *r = run_at(*state, 10, 1);
	struct err e = { 0 };

	assert_true(run_has_news(r)); /* never looked */
	assert_false(run_has_news(r));
	assert_int_equal(
	    file_replace(r->dirfd, "events.ndjson", "x", 1, 0600, &e), 0);
	assert_true(run_has_news(r));
	assert_false(run_has_news(r));
	run_forget_news(r);
	assert_true(run_has_news(r));
	run_free(r);
}

/* Events one..n with data of so many bytes. */
static void
write_events(const struct run *r, int n, int bytes)
{
	FILE *f;
	int fd = openat(r->dirfd, "events.ndjson",
	    O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_non_null(f = fdopen(fd, "w"));
	for (int i = 1; i <= n; i++)
		(void)fprintf(f,
		    "{\"seq\":%d,\"at\":\"2026-11-23 10:11:12.123456\","
		    "\"kind\":\"output\",\"data\":{\"text\":\"%0*d\"}}\n",
		    i, bytes, i);
	assert_int_equal(fclose(f), 0);
}

static void
batches_have_no_gap(void **state)
{
	struct run *r = run_at(*state, 11, 1);
	struct batch *b = malloc(sizeof(*b));
	struct spool_reader *reader;
	struct err e = { 0 };
	uint64_t seq = 0;
	int more, batches = 0;

	assert_non_null(b);
	batch_init(b);
	write_events(r, 1000, 1000);
	assert_int_equal(spool_reader_open(&reader, r->dirfd, 0, &e), 0);
	do {
		more = batch_fill(b, reader, 100 * 1000, &e);
		assert_true(more >= 0);
		assert_true(b->count <= BATCH_ROWS);
		for (size_t i = 0; i < b->count; i++) {
			assert_int_equal(b->rows[i].spool_seq, ++seq);
			assert_string_equal(b->rows[i].kind, "output");
			assert_memory_equal(b->rows[i].data, "{\"text\":", 8);
			assert_int_equal(
			    b->rows[i].data[b->rows[i].data_len - 1], '}');
		}
		batches++;
	} while (more == 1);
	assert_int_equal(seq, 1000);
	assert_in_range(batches, 10, 13);

	/* One event always fits, or nothing would ever go on. */
	write_events(r, 2, 60000);
	spool_reader_close(reader);
	assert_int_equal(spool_reader_open(&reader, r->dirfd, 0, &e), 0);
	assert_int_equal(batch_fill(b, reader, 100, &e), 1);
	assert_int_equal(b->count, 1);
	spool_reader_close(reader);
	batch_clear(b);
	free(b);
	run_free(r);
}

static void
one_reaper_a_folder(void **state)
{
	const struct place *p = *state;
	struct identity a, b;
	struct err e = { 0 };

	assert_int_equal(identity_open(&a, p->path, &e), 0);
	assert_int_equal(identity_open(&b, p->path, &e), -1);
	assert_int_equal(e.kind, ERR_CONFLICT);
	identity_close(&a);
	assert_int_equal(identity_open(&b, p->path, &e), 0);
	assert_string_equal(a.owner, b.owner);
	identity_close(&b);
}

/* Fault 53: the copy has the id, and is another machine's boot. */
static void
copied_folder_is_another_boot(void **state)
{
	const struct place *p = *state;
	struct identity a, b;
	struct buf text = BUF(100);
	struct err e = { 0 };
	char copy[100];

	assert_int_equal(identity_open(&a, p->path, &e), 0);
	(void)snprintf(copy, sizeof(copy), "%s/copy", p->path);
	assert_int_equal(mkdir(copy, 0700), 0);
	assert_int_equal(file_read(p->fd, "machine-id", &text, &e), 0);
	(void)snprintf(copy, sizeof(copy), "%s/copy/machine-id", p->path);
	assert_int_equal(
	    file_replace(AT_FDCWD, copy, text.data, text.len, 0600, &e), 0);
	(void)snprintf(copy, sizeof(copy), "%s/copy", p->path);
	assert_int_equal(identity_open(&b, copy, &e), 0);
	assert_string_equal(a.machine_id, b.machine_id);
	assert_string_not_equal(a.boot_id, b.boot_id);
	identity_close(&a);
	identity_close(&b);
	buf_clear(&text);
}

static void
leftovers_are_found_by_their_name(void **state)
{
	char var[] = "TASKMILL_SANDBOX=123456789.1.aB3";
	char longer[] = "TASKMILL_SANDBOX=123456789.1.aB3d";
	char program[] = "sleep", seconds[] = "60";
	char *const mine[] = { var, NULL };
	char *const other[] = { longer, NULL };
	char *const argv[] = { program, seconds, NULL };
	const struct hold h = { 123456789, 1 };
	const struct place *p = *state;
	pid_t a, b;

	assert_int_equal(leftover_kill(p->path, &h), 0);
	assert_int_equal(mkdirat(p->fd, "123456789.1.aB3", 0700), 0);
	if ((a = fork()) == 0) {
		(void)execve("/bin/sleep", argv, mine);
		_exit(127);
	}
	if ((b = fork()) == 0) {
		(void)execve("/bin/sleep", argv, other);
		_exit(127);
	}
	/* Until it has become the other program its environment is ours. */
	for (int i = 0; i < 6000 && leftover_kill(p->path, &h) == 0; i++)
		(void)usleep(10000);
	assert_int_equal(waitpid(a, NULL, 0), a);
	assert_int_equal(waitpid(b, NULL, WNOHANG), 0);
	end_child(b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(timers, setup, teardown),
		cmocka_unit_test_setup_teardown(backoff_doubles_up_to_a_limit,
		    setup, teardown),
		cmocka_unit_test_setup_teardown(table_of_runs, setup, teardown),
		cmocka_unit_test_setup_teardown(lock_is_the_sign_of_life, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(lock_counts_without_a_pid,
		    setup, teardown),
		cmocka_unit_test_setup_teardown(pid_of_a_stranger_is_not_taken,
		    setup, teardown),
		cmocka_unit_test_setup_teardown(news, setup, teardown),
		cmocka_unit_test_setup_teardown(batches_have_no_gap, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(one_reaper_a_folder, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(copied_folder_is_another_boot,
		    setup, teardown),
		cmocka_unit_test_setup_teardown(
		    leftovers_are_found_by_their_name, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
