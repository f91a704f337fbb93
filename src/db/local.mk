noinst_LIBRARIES += libdb.a
libdb_a_SOURCES = \
	src/db/connection.c \
	src/db/fault.c \
	src/db/impl.h \
	src/db/migrate.c \
	src/db/migrate_scan.c \
	src/db/migrate_scan.h \
	src/db/stmt.c \
	src/db/tx.c
