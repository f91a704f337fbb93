noinst_LIBRARIES += libutil.a
libutil_a_SOURCES = \
	src/util/err.c \
	src/util/buf.c \
	src/util/log.c \
	src/util/clock.c \
	src/util/csv.c \
	src/util/encode.c \
	src/util/file.c \
	src/util/dir.c \
	src/util/text.c \
	src/util/time_read.c \
	src/util/utf8.c \
	src/util/json_scan.c \
	src/util/json_items.c \
	src/util/json_names.c \
	src/util/json_names.h \
	src/util/json_path.c \
	src/util/json_read.c \
	src/util/json_write.c \
	src/util/redact.c \
	src/util/heap.c \
	src/util/net.c \
	src/util/net_address.c \
	src/util/net_address.h \
	src/util/net_call.c \
	src/util/net_call.h \
	src/util/net_stream.c \
	src/util/net_trust.c \
	src/util/net_trust.h \
	src/util/notify.c \
	src/util/fault.c \
	src/util/proc.c \
	src/util/proc_child.c \
	src/util/proc_child.h \
	src/util/proc_tree.c
