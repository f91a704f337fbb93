noinst_LIBRARIES += libpool.a
libpool_a_SOURCES = \
	src/pool/confine.c \
	src/pool/crew.c \
	src/pool/crew.h \
	src/pool/listener.c \
	src/pool/master.c \
	src/pool/scoreboard.c \
	src/pool/supervisor.c \
	src/pool/worker.c
