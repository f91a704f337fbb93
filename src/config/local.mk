noinst_LIBRARIES += libconfig.a
libconfig_a_SOURCES = \
	src/config/config.c \
	src/config/settings.c
