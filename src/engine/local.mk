noinst_LIBRARIES += libengine.a
libengine_a_SOURCES = \
	src/engine/adopt.c \
	src/engine/batch.c \
	src/engine/batch.h \
	src/engine/claim.c \
	src/engine/decide.c \
	src/engine/decide.h \
	src/engine/finish.c \
	src/engine/identity.c \
	src/engine/identity.h \
	src/engine/impl.h \
	src/engine/janitor.c \
	src/engine/janitor.h \
	src/engine/job.c \
	src/engine/job.h \
	src/engine/keyring.c \
	src/engine/keyring.h \
	src/engine/leftover.c \
	src/engine/leftover.h \
	src/engine/link.c \
	src/engine/loop.c \
	src/engine/outcome.c \
	src/engine/outcome.h \
	src/engine/publish.c \
	src/engine/run.c \
	src/engine/run.h \
	src/engine/ship.c \
	src/engine/spawner.c \
	src/engine/spawner.h \
	src/engine/start.c \
	src/engine/step.c \
	src/engine/sweep.c \
	src/engine/timer.c \
	src/engine/timer.h \
	src/engine/workspace.c \
	src/engine/workspace.h
