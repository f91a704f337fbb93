#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "db/impl.h"
#include "fixture.h"
#include "util/proc.h"

/* Answers that get lost between the server and us: through a proxy. */

static char dir[64];
static char proxy_socket[100];
static char control_socket[100];
static struct proc proxy;
static int control = -1;
static struct db *far; /* through the proxy */

static int
connect_unix(const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd != -1);
	assert_true(strlen(path) < sizeof(a.sun_path));
	memcpy(a.sun_path, path, strlen(path) + 1);
	for (int i = 0; i < 1200; i++) {
		if (connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0)
			return fd;
		(void)usleep(50000);
	}
	(void)close(fd);
	return -1;
}

/* A command to the proxy; it must answer "ok". */
static void
tell(const char *command)
{
	char line[100], answer[100];
	ssize_t n;

	(void)snprintf(line, sizeof(line), "%s\n", command);
	assert_true(
	    write(control, line, strlen(line)) == (ssize_t)strlen(line));
	n = read(control, answer, sizeof(answer) - 1);
	assert_true(n > 0);
	answer[n] = '\0';
	assert_string_equal(answer, "ok\n");
}

static int
proxy_up(void **state)
{
	const char *argv[] = { "/usr/bin/python3",
		TEST_SOURCE_DIR "/tests/integration/dbproxy.py", proxy_socket,
		getenv("TASKMILL_TEST_DB_SOCKET"), control_socket, NULL };
	const struct proc_fd fds[] = { { 2, 2 } };
	const struct proc_spec spec = { .argv = argv,
		.fds = fds,
		.fd_count = 1,
		.die_with_us = true };
	struct err e = { 0 };

	(void)fixture_up(state);
	(void)snprintf(dir, sizeof(dir), "/tmp/tm-proxy.XXXXXX");
	assert_non_null(mkdtemp(dir));
	(void)snprintf(proxy_socket, sizeof(proxy_socket), "%s/db", dir);
	(void)snprintf(control_socket, sizeof(control_socket), "%s/control",
	    dir);
	ok(proc_spawn(&proxy, &spec, &e));
	control = connect_unix(control_socket);
	assert_true(control != -1);
	far = test_connect_at(proxy_socket);
	return 0;
}

static int
proxy_down(void **state)
{
	db_close(far);
	if (control != -1)
		(void)close(control);
	proc_stop(&proxy, 2000);
	proc_forget(&proxy);
	(void)unlink(proxy_socket);
	(void)unlink(control_socket);
	(void)rmdir(dir);
	return fixture_down(state);
}

static char user[37];

static int
start_far(struct err *e, int64_t *id)
{
	const struct task_new t = { .user_id = user,
		.prompt = "p",
		.repo_url = "r",
		.branch = "b",
		.agent = "claude",
		.most_live = 100 };
	enum task_start_end end;
	int rc = task_start(far, &t, &end, id, e);

	if (rc == 0)
		assert_int_equal(end, TASK_STARTED);
	return rc;
}

static void
a_start_whose_answer_is_lost_made_one_task(void **state)
{
	struct err e = { 0 };
	int64_t id;

	(void)state;
	clean();
	make_user(user);
	for (int i = 1; i <= 5; i++) {
		tell("drop-reply 1");
		ok(start_far(&e, &id));
		assert_true(number("SELECT COUNT(*) FROM tasks") == i);
		assert_true(number("SELECT MAX(id) FROM tasks") == id);
	}
}

static void
a_start_that_never_got_there_is_made_again(void **state)
{
	struct err e = { 0 };
	int64_t id;

	(void)state;
	clean();
	make_user(user);
	tell("drop-request 2");
	ok(start_far(&e, &id));
	assert_true(number("SELECT COUNT(*) FROM tasks") == 1);
	assert_true(number("SELECT COUNT(*) FROM task_queue") == 1);
	assert_true(number("SELECT id FROM tasks") == id);
	tell("drop-request 3 INSERT INTO task_queue");
	ok(start_far(&e, &id));
	assert_true(number("SELECT COUNT(*) FROM tasks") == 2);
}

static void
a_start_that_cannot_be_found_out_says_so(void **state)
{
	struct err e = { 0 };
	int64_t id;

	(void)state;
	clean();
	make_user(user);
	ok(db_ping(far, &e));
	tell("refuse on");
	tell("drop-reply 1");
	assert_int_equal(start_far(&e, &id), -1);
	assert_int_equal(e.kind, ERR_RETRY);
	assert_non_null(strstr(e.text, "outcome unknown"));
	tell("refuse off");
	assert_true(number("SELECT COUNT(*) FROM tasks") == 1);
}

static void
a_claim_whose_answer_is_lost_is_ours(void **state)
{
	const struct claim_limits limits = { 100, 60 };
	struct err e = { 0 };
	struct claim c;

	(void)state;
	clean();
	make_user(user);
	for (int i = 0; i < 10; i++)
		(void)start_task(user);
	for (int i = 0; i < 5; i++) {
		tell(i % 2 ? "drop-reply 1" : "drop-request 1");
		ok(queue_claim(far, OWNER, &limits, &c, &e));
		assert_int_equal(c.hold.attempt, 1);
		assert_string_equal(c.prompt, "Write a file");
		claim_clear(&c);
	}
	assert_true(number("SELECT COUNT(*) FROM task_queue"
			   " WHERE state = 'running'") == 5);
	assert_true(number("SELECT COUNT(*) FROM task_attempts") == 5);
}

static void
shipping_and_completing_happen_once(void **state)
{
	/* clang-format off */
	static const struct event_new lines[] = {
		{ 1, "step", "2026-11-23 10:11:12.000001", "{}", 2 },
		{ 2, "step", "2026-11-23 10:11:12.000001", "{}", 2 },
		{ 3, "step", "2026-11-23 10:11:12.000001", "{}", 2 },
	};
	/* clang-format on */
	static const char *const troubles[] = { "drop-reply 1",
		"drop-request 1", "drop-reply 1 INSERT INTO task_events",
		"drop-reply 1 UPDATE task_attempts" };
	enum task_state final;
	struct err e = { 0 };
	uint64_t shipped;
	struct hold h;

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		clean();
		make_user(user);
		(void)start_task(user);
		h = claim_one(OWNER);
		shipped = 0;
		ok(db_ping(far, &e));
		tell(troubles[i]);
		ok(queue_ship(far, &h, 60, lines, 2, &shipped, &e));
		assert_true(shipped == 2);
		tell(troubles[i]);
		ok(queue_complete(far, &h, lines + 2, 1, 2, &small_result,
		    &final, &e));
		assert_int_equal(final, TASK_COMPLETED);
		assert_true(number("SELECT COUNT(*) = 6 AND MAX(seq) = 6"
				   " FROM task_events") == 1);
		assert_true(number("SELECT shipped_seq = 3 AND outcome ="
				   " 'completed' FROM task_attempts") == 1);
		assert_true(number("SELECT JSON_LENGTH(chat_messages) = 2"
				   " FROM tasks") == 1);
		assert_true(number("SELECT COUNT(*) FROM task_queue") == 0);
	}
}

static void
giving_back_and_cancelling_happen_once(void **state)
{
	enum task_state now;
	struct err e = { 0 };
	struct hold h;
	int64_t id;

	(void)state;
	clean();
	make_user(user);
	id = start_task(user);
	h = claim_one(OWNER);
	tell("drop-reply 1");
	ok(queue_give_back(far, &h, 0, true, "lost", &e));
	assert_true(number("SELECT tries = 1 AND state = 'pending'"
			   " FROM task_queue") == 1);
	tell("drop-reply 1");
	ok(task_cancel(far, user, id, &now, &e));
	assert_int_equal(now, TASK_CANCELLED);
	assert_true(number("SELECT COUNT(*) FROM task_events"
			   " WHERE kind IN ('lost', 'end')") == 2);
}

static void
a_user_is_added_once(void **state)
{
	struct err e = { 0 };

	(void)state;
	clean();
	tell("drop-reply 1");
	ok(user_add(far, "aaaaaaaa-0000-4000-8000-00000000000a",
	    "a@example.org", NULL, "$argon2id$random", &e));
	assert_true(number("SELECT COUNT(*) FROM user_credentials") == 1);
}

/* A tenth of all answers to COMMIT is lost; nothing is, and nothing twice. */
static void
a_bad_line_loses_and_doubles_nothing(void **state)
{
	const struct claim_limits limits = { 1000, 60 };
	enum task_state final;
	struct err e = { 0 };
	struct claim c;
	int64_t id;

	(void)state;
	clean();
	make_user(user);
	tell("lose 0.1");
	for (int i = 0; i < 60; i++)
		ok(start_far(&e, &id));
	for (int i = 0; i < 60; i++) {
		assert_int_equal(queue_claim(far, OWNER, &limits, &c, &e), 1);
		ok(queue_complete(far, &c.hold, NULL, 0, 0, &small_result,
		    &final, &e));
		claim_clear(&c);
	}
	tell("lose 0");
	assert_true(number("SELECT COUNT(*) FROM tasks") == 60);
	assert_true(number("SELECT COUNT(*) FROM tasks"
			   " WHERE status = 'completed'") == 60);
	assert_true(number("SELECT COUNT(*) FROM task_attempts") == 60);
	assert_true(number("SELECT COUNT(*) FROM task_events") == 180);
	assert_true(db_generation(far) > 1);
}

int
run_lost_tests(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_start_whose_answer_is_lost_made_one_task),
		cmocka_unit_test(a_start_that_never_got_there_is_made_again),
		cmocka_unit_test(a_start_that_cannot_be_found_out_says_so),
		cmocka_unit_test(a_claim_whose_answer_is_lost_is_ours),
		cmocka_unit_test(shipping_and_completing_happen_once),
		cmocka_unit_test(giving_back_and_cancelling_happen_once),
		cmocka_unit_test(a_user_is_added_once),
		cmocka_unit_test(a_bad_line_loses_and_doubles_nothing),
	};

	return cmocka_run_group_tests_name("lost", tests, proxy_up, proxy_down);
}
