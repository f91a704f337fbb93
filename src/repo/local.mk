noinst_LIBRARIES += librepo.a
librepo_a_SOURCES = \
	src/repo/branch.c \
	src/repo/url.c
