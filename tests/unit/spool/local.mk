check_PROGRAMS += test_spool test_result
TESTS += test_spool test_result
spool_test_libs = libspool.a libutil.a $(JSONC_LIBS) $(SODIUM_LIBS) \
	$(CMOCKA_LIBS)
test_spool_SOURCES = tests/unit/spool/test_spool.c \
	tests/unit/spool/folder.c tests/unit/spool/folder.h
test_spool_LDADD = $(spool_test_libs)
test_result_SOURCES = tests/unit/spool/test_result.c \
	tests/unit/spool/folder.c tests/unit/spool/folder.h
test_result_LDADD = $(spool_test_libs)
check_PROGRAMS += test_resume
TESTS += test_resume
test_resume_SOURCES = tests/unit/spool/test_resume.c \
	tests/unit/spool/folder.c tests/unit/spool/folder.h
test_resume_LDADD = $(spool_test_libs)
check_PROGRAMS += test_gate_json
TESTS += test_gate_json
test_gate_json_SOURCES = tests/unit/spool/test_gate_json.c
test_gate_json_LDADD = $(spool_test_libs)
