check_PROGRAMS += test_supervisor test_listener test_confine echo_pool
TESTS += test_supervisor test_listener test_confine
test_supervisor_SOURCES = tests/unit/pool/test_supervisor.c
test_supervisor_LDADD = $(UNIT_LDADD)
test_listener_SOURCES = tests/unit/pool/test_listener.c
test_listener_LDADD = $(UNIT_LDADD)
test_confine_SOURCES = tests/unit/pool/test_confine.c
test_confine_LDADD = $(UNIT_LDADD)

# Driven by tests/integration/test_pool.py.
echo_pool_SOURCES = tests/programs/echo_pool.c
echo_pool_LDADD = $(LAYER_LIBS) $(SYSTEM_LIBS)
