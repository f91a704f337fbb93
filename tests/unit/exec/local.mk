check_PROGRAMS += test_agents
TESTS += test_agents
exec_test_libs = libexec.a libagents.a libspool.a librepo.a libutil.a \
	$(JSONC_LIBS) $(SODIUM_LIBS) $(SECCOMP_LIBS) $(CMOCKA_LIBS)
test_agents_SOURCES = tests/unit/agents/test_agents.c
test_agents_LDADD = $(exec_test_libs)
