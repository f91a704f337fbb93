noinst_LIBRARIES += libgithub.a
libgithub_a_SOURCES = \
	src/github/classify.c \
	src/github/classify.h \
	src/github/github.c \
	src/github/host.c \
	src/github/pull.c \
	src/github/push.c \
	src/github/read.c \
	src/github/read.h \
	src/github/request.c \
	src/github/request.h
