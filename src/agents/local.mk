noinst_LIBRARIES += libagents.a
libagents_a_SOURCES = \
	src/agents/agent.c \
	src/agents/list.c \
	src/agents/models.c \
	src/agents/output.c \
	src/agents/output_event.c \
	src/agents/output_impl.h \
	src/agents/output_repair.c \
	src/agents/rules.c \
	src/agents/rules_check.c \
	src/agents/rules_impl.h
