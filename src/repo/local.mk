noinst_LIBRARIES += librepo.a
librepo_a_SOURCES =
