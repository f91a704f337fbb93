noinst_LIBRARIES += libutil.a
libutil_a_SOURCES = \
	src/util/err.c \
	src/util/buf.c \
	src/util/log.c
