noinst_LIBRARIES += libagents.a
libagents_a_SOURCES = \
	src/agents/agent.c \
	src/agents/list.c \
	src/agents/output.c \
	src/agents/output_claude.c \
	src/agents/output_codex.c \
	src/agents/output_impl.h
