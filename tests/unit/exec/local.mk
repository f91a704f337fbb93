check_PROGRAMS += test_agent_output test_agents test_changes test_e2b_stream test_e2b_trouble test_sandbox test_sandbox_bounds
TESTS += test_agent_output test_agents test_changes test_e2b_stream test_e2b_trouble test_sandbox test_sandbox_bounds
exec_test_libs = libexec.a libagents.a libspool.a librepo.a libutil.a \
	$(JSONC_LIBS) $(SODIUM_LIBS) $(SECCOMP_LIBS) $(CURL_LIBS) $(CRYPTO_LIBS) $(CMOCKA_LIBS)
check_PROGRAMS += test_patch test_words
TESTS += test_patch test_words
test_patch_SOURCES = tests/unit/exec/test_patch.c
test_patch_LDADD = $(exec_test_libs)
test_words_SOURCES = tests/unit/exec/test_words.c
test_words_LDADD = $(exec_test_libs)
test_agent_output_SOURCES = tests/unit/agents/test_agent_output.c
test_agent_output_LDADD = $(exec_test_libs)
test_agents_SOURCES = tests/unit/agents/test_agents.c
test_agents_LDADD = $(exec_test_libs)
test_changes_SOURCES = tests/unit/exec/test_changes.c
test_changes_LDADD = $(exec_test_libs)
test_sandbox_SOURCES = tests/unit/exec/test_sandbox.c \
	tests/unit/exec/box.c tests/unit/exec/box.h
test_sandbox_LDADD = $(exec_test_libs)
test_sandbox_bounds_SOURCES = tests/unit/exec/test_sandbox_bounds.c \
	tests/unit/exec/box.c tests/unit/exec/box.h
test_sandbox_bounds_LDADD = $(exec_test_libs)
test_e2b_stream_SOURCES = tests/unit/exec/test_e2b_stream.c
test_e2b_stream_LDADD = $(exec_test_libs)
check_PROGRAMS += test_blob_scan
TESTS += test_blob_scan
test_blob_scan_SOURCES = tests/unit/exec/test_blob_scan.c
test_blob_scan_LDADD = $(exec_test_libs)
test_e2b_trouble_SOURCES = tests/unit/exec/test_e2b_trouble.c
test_e2b_trouble_LDADD = $(exec_test_libs)
check_PROGRAMS += test_git_words
TESTS += test_git_words
test_git_words_SOURCES = tests/unit/exec/test_git_words.c
test_git_words_LDADD = $(exec_test_libs)
check_PROGRAMS += test_e2b_debug
TESTS += test_e2b_debug
test_e2b_debug_SOURCES = tests/unit/exec/test_e2b_debug.c
test_e2b_debug_LDADD = $(exec_test_libs)
