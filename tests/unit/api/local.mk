check_PROGRAMS += test_api_routes test_api_body test_api_start test_api_answer \
	test_api_seat
TESTS += test_api_routes test_api_body test_api_start test_api_answer \
	test_api_seat
test_api_routes_SOURCES = tests/unit/api/test_api_routes.c
test_api_routes_LDADD = $(UNIT_LDADD)
test_api_body_SOURCES = tests/unit/api/test_api_body.c
test_api_body_LDADD = $(UNIT_LDADD)
test_api_start_SOURCES = tests/unit/api/test_api_start.c
test_api_start_LDADD = $(UNIT_LDADD)
test_api_answer_SOURCES = tests/unit/api/test_api_answer.c
test_api_answer_LDADD = $(UNIT_LDADD)
test_api_seat_SOURCES = tests/unit/api/test_api_seat.c
test_api_seat_LDADD = $(UNIT_LDADD)
check_PROGRAMS += test_api_rest
TESTS += test_api_rest
test_api_rest_SOURCES = tests/unit/api/test_api_rest.c
test_api_rest_LDADD = $(UNIT_LDADD)
check_PROGRAMS += test_api_pull
TESTS += test_api_pull
test_api_pull_SOURCES = tests/unit/api/test_api_pull.c
test_api_pull_LDADD = $(UNIT_LDADD)
check_PROGRAMS += test_api_pull_failure
TESTS += test_api_pull_failure
test_api_pull_failure_SOURCES = tests/unit/api/test_api_pull_failure.c
test_api_pull_failure_LDADD = $(UNIT_LDADD)
