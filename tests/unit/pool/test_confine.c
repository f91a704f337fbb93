#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <sched.h>
#include <sodium.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "pool/confine.h"
#include "util/proc.h"

#define LIMIT_MS 60000

/* Runs in a confined child, since there is no way back; 0 is success. */
struct attempt {
	int (*run)(void);
};

static int
confined(void *ctx)
{
	const struct attempt *a = ctx;
	struct err e = { 0 };

	if (confine_worker(&e) != 0)
		return 100;
	return a->run();
}

static int
result_of(int (*run)(void))
{
	struct attempt a = { run };
	struct proc p;
	struct proc_end end = { 0 };
	struct err e = { 0 };

	assert_int_equal(proc_fork(&p, confined, &a, &e), 0);
	assert_int_equal(proc_wait(&p, LIMIT_MS, &end, &e), 1);
	proc_forget(&p);
	return end.code;
}

static int
denied(long result)
{
	return result == -1 && errno == EPERM ? 0 : 1;
}

static int
try_fork(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	return denied(pid);
}

static int
try_exec(void)
{
	return denied(execl("/bin/true", "true", (char *)NULL));
}

static int
try_ptrace(void)
{
	return denied(ptrace(PTRACE_TRACEME, 0, NULL, NULL));
}

static int
try_unshare(void)
{
	return denied(unshare(CLONE_NEWUSER));
}

static int
try_mount(void)
{
	return denied(mount("none", "/nonexistent", "tmpfs", 0, NULL));
}

static int
try_io_uring(void)
{
	return denied(syscall(SYS_io_uring_setup, 1, NULL));
}

static int
try_keyctl(void)
{
	return denied(syscall(SYS_keyctl, 0, 0, 0, 0, 0));
}

/* U12: glibc falls back to clone only when clone3 is "not there". */
static int
try_clone3(void)
{
	return syscall(SYS_clone3, NULL, 0) == -1 && errno == ENOSYS ? 0 : 1;
}

static void *
nothing(void *arg)
{
	return arg;
}

static int
use_thread(void)
{
	pthread_t t;
	void *got = NULL;
	int mark;

	if (pthread_create(&t, NULL, nothing, &mark) != 0 ||
	    pthread_join(t, &got) != 0)
		return 1;
	return got == &mark ? 0 : 1;
}

static int
use_resolver(void)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *got = NULL;
	int failed = getaddrinfo("localhost", "80", &hints, &got);

	if (failed == 0)
		freeaddrinfo(got);
	return failed == 0 ? 0 : 1;
}

static int
use_argon2(void)
{
	char hash[crypto_pwhash_STRBYTES];

	if (sodium_init() < 0)
		return 1;
	return crypto_pwhash_str(hash, "secret", 6, crypto_pwhash_OPSLIMIT_MIN,
		   crypto_pwhash_MEMLIMIT_MIN) == 0
	    ? 0
	    : 1;
}

static int
use_sockets(void)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0)
		return 1;
	return write(pair[0], "x", 1) == 1 &&
		socket(AF_INET, SOCK_STREAM, 0) >= 0
	    ? 0
	    : 1;
}

static void
H1_what_a_worker_gives_up(void **state)
{
	(void)state;
	assert_int_equal(result_of(try_fork), 0);
	assert_int_equal(result_of(try_exec), 0);
	assert_int_equal(result_of(try_ptrace), 0);
	assert_int_equal(result_of(try_unshare), 0);
	assert_int_equal(result_of(try_mount), 0);
	assert_int_equal(result_of(try_io_uring), 0);
	assert_int_equal(result_of(try_keyctl), 0);
}

static void
H1_what_a_worker_needs(void **state)
{
	(void)state;
	assert_int_equal(result_of(use_resolver), 0);
	assert_int_equal(result_of(use_argon2), 0);
	assert_int_equal(result_of(use_sockets), 0);
}

static void
U12_threads_still_work(void **state)
{
	(void)state;
	assert_int_equal(result_of(try_clone3), 0);
	assert_int_equal(result_of(use_thread), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(H1_what_a_worker_gives_up),
		cmocka_unit_test(H1_what_a_worker_needs),
		cmocka_unit_test(U12_threads_still_work),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
