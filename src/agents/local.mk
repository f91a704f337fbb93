noinst_LIBRARIES += libagents.a
libagents_a_SOURCES =
