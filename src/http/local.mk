noinst_LIBRARIES += libhttp.a
libhttp_a_SOURCES = \
	src/http/decode.c \
	src/http/decode.h \
	src/http/fcgi.c \
	src/http/fcgi_params.c \
	src/http/fcgi_params.h \
	src/http/fcgi_private.h \
	src/http/fcgi_read.c \
	src/http/fcgi_slots.c \
	src/http/fcgi_write.c \
	src/http/http.c
