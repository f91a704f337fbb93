#include <stdio.h>
#include <stdlib.h>

#include "fixture.h"
#include "util/encode.h"
#include "util/log.h"

#define SKIPPED 77

int
main(void)
{
	struct err e = { 0 };
	int failed = 0;

	log_open("test", LOG_ERROR);
	if (encode_init(&e) == -1)
		return 1;
	if (getenv("TASKMILL_TEST_DB_SOCKET") == NULL) {
		(void)fprintf(stderr,
		    "no database: run it under script/with-mariadb\n");
		return SKIPPED;
	}
	failed += run_db_tests();
	failed += run_tx_tests();
	failed += run_migrate_tests();
	failed += run_task_tests();
	failed += run_queue_tests();
	failed += run_result_tests();
	failed += run_state_tests();
	failed += run_user_tests();
	failed += run_crowd_tests();
	failed += run_fault_tests();
	failed += run_lost_tests();
	failed += run_project_tests();
	failed += run_publish_tests();
	failed += run_rate_tests();
	failed += run_standing_tests();
	failed += run_defer_tests();
	failed += run_plan_tests();
	return failed == 0 ? 0 : 1;
}
