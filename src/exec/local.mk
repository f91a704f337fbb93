noinst_LIBRARIES += libexec.a
libexec_a_SOURCES =
