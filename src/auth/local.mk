noinst_LIBRARIES += libauth.a
libauth_a_SOURCES = \
	src/auth/api_token.c \
	src/auth/bearer.c \
	src/auth/idp.c \
	src/auth/jwk_pem.c \
	src/auth/jwk_pem.h \
	src/auth/jwks.c \
	src/auth/jwks_merge.c \
	src/auth/jwt.c \
	src/auth/jwt_read.c \
	src/auth/jwt_read.h \
	src/auth/jwt_signature.c \
	src/auth/jwt_signature.h \
	src/auth/password.c \
	src/auth/seal.c \
	src/auth/seal_key.c \
	src/auth/seal_key.h \
	src/auth/token_cache.c
