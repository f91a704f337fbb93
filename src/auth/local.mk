noinst_LIBRARIES += libauth.a
libauth_a_SOURCES = \
	src/auth/bearer.c \
	src/auth/jwt.c \
	src/auth/jwt_read.c \
	src/auth/jwt_read.h \
	src/auth/password.c \
	src/auth/seal.c \
	src/auth/seal_key.c \
	src/auth/seal_key.h \
	src/auth/token_cache.c
