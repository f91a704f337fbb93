noinst_LIBRARIES += libspool.a
libspool_a_SOURCES = \
	src/spool/gate.c \
	src/spool/gate.h \
	src/spool/gate_json.c \
	src/spool/memo.c \
	src/spool/name.c \
	src/spool/reader.c \
	src/spool/replay.c \
	src/spool/replay.h \
	src/spool/result_read.c \
	src/spool/result_write.c \
	src/spool/secrets.c \
	src/spool/spawn.c \
	src/spool/spec.c \
	src/spool/writer.c \
	src/spool/writer.h
