check_PROGRAMS += test_decide test_run
TESTS += test_decide test_run
test_decide_SOURCES = tests/unit/engine/test_decide.c
test_decide_LDADD = libengine.a $(CMOCKA_LIBS)
test_run_SOURCES = tests/unit/engine/test_run.c
test_run_LDADD = libengine.a libspool.a libutil.a $(SODIUM_LIBS) \
	$(JSONC_LIBS) $(CMOCKA_LIBS)
check_PROGRAMS += test_quota
TESTS += test_quota
test_quota_SOURCES = tests/unit/engine/test_quota.c
test_quota_LDADD = libengine.a $(CMOCKA_LIBS)
