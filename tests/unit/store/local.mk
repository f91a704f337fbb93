# One program and one server for all of them: starting a server takes longer
# than most of the tests.
check_PROGRAMS += test_store
TESTS += tests/unit/store/test_store.sh
EXTRA_DIST += tests/unit/store/test_store.sh
test_store_SOURCES = \
	tests/unit/store/fixture.c \
	tests/unit/store/fixture.h \
	tests/unit/store/test_crowd.c \
	tests/unit/store/test_db.c \
	tests/unit/store/test_defer.c \
	tests/unit/store/test_fault.c \
	tests/unit/store/test_lost.c \
	tests/unit/store/test_migrate.c \
	tests/unit/store/test_plan.c \
	tests/unit/store/test_project.c \
	tests/unit/store/test_publish.c \
	tests/unit/store/test_queue.c \
	tests/unit/store/test_rate.c \
	tests/unit/store/test_result.c \
	tests/unit/store/test_standing.c \
	tests/unit/store/test_state.c \
	tests/unit/store/test_store.c \
	tests/unit/store/test_task.c \
	tests/unit/store/test_tx.c \
	tests/unit/store/test_user.c
test_store_CPPFLAGS = $(AM_CPPFLAGS) \
	-DTEST_SQL_DIR='"$(abs_top_srcdir)/sql"' \
	-DTEST_SOURCE_DIR='"$(abs_top_srcdir)"'
test_store_LDADD = libstore.a libdb.a libutil.a $(SYSTEM_LIBS) $(CMOCKA_LIBS)
