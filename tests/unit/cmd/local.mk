check_PROGRAMS += test_orphans
TESTS += test_orphans
test_orphans_SOURCES = tests/unit/cmd/test_orphans.c
test_orphans_LDADD = libcmd.a $(CMOCKA_LIBS)
check_PROGRAMS += test_options
TESTS += test_options
test_options_SOURCES = tests/unit/cmd/test_options.c
test_options_LDADD = $(UNIT_LDADD)
