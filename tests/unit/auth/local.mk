AUTH_TEST_LDADD = libauth.a libutil.a $(SYSTEM_LIBS) $(CMOCKA_LIBS)
AUTH_FORGE = tests/unit/auth/forge.c tests/unit/auth/forge.h

check_PROGRAMS += test_bearer test_jwt test_jwt_attacks test_token_cache \
	test_password test_seal
TESTS += test_bearer test_jwt test_jwt_attacks test_token_cache \
	test_password test_seal

test_bearer_SOURCES = tests/unit/auth/test_bearer.c
test_bearer_LDADD = $(AUTH_TEST_LDADD)
test_jwt_SOURCES = tests/unit/auth/test_jwt.c $(AUTH_FORGE)
test_jwt_LDADD = $(AUTH_TEST_LDADD)
test_jwt_attacks_SOURCES = tests/unit/auth/test_jwt_attacks.c $(AUTH_FORGE)
test_jwt_attacks_LDADD = $(AUTH_TEST_LDADD)
test_token_cache_SOURCES = tests/unit/auth/test_token_cache.c $(AUTH_FORGE)
test_token_cache_LDADD = $(AUTH_TEST_LDADD)
test_password_SOURCES = tests/unit/auth/test_password.c
test_password_LDADD = $(AUTH_TEST_LDADD)
test_password_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=crypto_pwhash_argon2id \
	-Wl,--wrap=crypto_pwhash_argon2id_str_verify
test_seal_SOURCES = tests/unit/auth/test_seal.c
test_seal_LDADD = $(AUTH_TEST_LDADD)

AUTH_KEYS = tests/unit/auth/keys.c tests/unit/auth/keys.h
check_PROGRAMS += test_jwks test_idp
TESTS += test_jwks test_idp
test_jwks_SOURCES = tests/unit/auth/test_jwks.c $(AUTH_KEYS)
test_jwks_LDADD = $(AUTH_TEST_LDADD)
test_idp_SOURCES = tests/unit/auth/test_idp.c $(AUTH_KEYS) $(AUTH_FORGE)
test_idp_LDADD = $(AUTH_TEST_LDADD)
