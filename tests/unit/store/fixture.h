#ifndef TEST_STORE_FIXTURE_H
#define TEST_STORE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "db/db.h"
#include "store/queue.h"
#include "store/task.h"
#include "store/user.h"

/*
 * fixture: one database for all tests of a run, on the server that
 * script/with-mariadb has started. Tests live with what others left behind
 * unless they call clean().
 */
#define OWNER "aaaaaaaa-0000-4000-8000-000000000001:boot-1"
#define OWNER_2 "aaaaaaaa-0000-4000-8000-000000000002:boot-1"

/* A connection of one's own; the caller closes it. */
struct db *test_connect(void);

/* The same through another socket, a proxy's. */
struct db *test_connect_at(const char *socket_path);
struct db *test_connect_to(const char *socket_path, const char *database);

/* The tests' common connection. */
extern struct db *db;

/* Fails the test, with the text of *e, unless rc is 0 or more. */
void ok_(int rc, const struct err *e, const char *file, int line);
#define ok(call) ok_((call), &e, __FILE__, __LINE__)

/* Runs SQL without arguments. */
void sql(const char *text);

/* The first column of the first row as a number; -1 for no row or NULL. */
int64_t number(const char *text);

/* All tables empty but for the schema's own. */
void clean(void);

/* A new user; id has room for 37 characters. */
void make_user(char id[37]);

/* Accepts a task of this user, without key or project. */
int64_t start_task(const char *user_id);

/* Claims with a limit of 100 and a lease of 60 s; fails if there is none. */
struct hold claim_one(const char *owner);

/* What a completed attempt brings: a small diff, patch and message. */
extern const struct task_result small_result;

/* Spool lines 1 to 3. */
extern const struct event_new test_lines[3];

/* An empty queue but for one task of a new user, test_user. */
extern char test_user[37];
int64_t test_one_task(void);

/*
 * The one task has ended like this: no secret and no queue row is left, one
 * "end" event, the last, and no gap before it.
 */
void test_expect_ended(const char *status);

int fixture_up(void **state);
int fixture_down(void **state);

/* The groups, one a file. */
int run_db_tests(void);
int run_migrate_tests(void);
int run_task_tests(void);
int run_queue_tests(void);
int run_result_tests(void);
int run_fault_tests(void);
int run_tx_tests(void);
int run_state_tests(void);
int run_user_tests(void);
int run_plan_tests(void);
int run_lost_tests(void);
int run_crowd_tests(void);
int run_project_tests(void);
int run_publish_tests(void);
int run_rate_tests(void);
int run_standing_tests(void);
int run_defer_tests(void);

#endif
