check_PROGRAMS += test_config
TESTS += test_config
test_config_SOURCES = tests/unit/config/test_config.c
test_config_LDADD = libconfig.a libutil.a $(JSONC_LIBS) $(SODIUM_LIBS) \
	$(CMOCKA_LIBS)

check_PROGRAMS += test_places
TESTS += test_places
test_places_SOURCES = tests/unit/config/test_places.c
test_places_LDADD = libconfig.a libutil.a $(JSONC_LIBS) $(SODIUM_LIBS) \
	$(CMOCKA_LIBS)
