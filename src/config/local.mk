noinst_LIBRARIES += libconfig.a
libconfig_a_SOURCES = \
	src/config/accounts.c \
	src/config/accounts.h \
	src/config/config.c \
	src/config/places.c \
	src/config/places.h \
	src/config/settings.c
