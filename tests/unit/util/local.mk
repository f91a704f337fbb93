UTIL_TEST_LDADD = libutil.a $(SYSTEM_LIBS) $(CMOCKA_LIBS)
UTIL_SCRATCH = tests/unit/util/scratch.c tests/unit/util/scratch.h
UTIL_TESTS = test_buf test_log test_clock test_encode test_utf8 \
	test_json_scan test_json test_file test_dir test_redact \
	test_proc test_proc_tree test_notify test_fault test_net \
	test_net_stream test_csv test_json_items test_time_read \
	test_heap

check_PROGRAMS += $(UTIL_TESTS)
TESTS += $(UTIL_TESTS)

test_buf_SOURCES = tests/unit/util/test_buf.c
test_buf_LDADD = $(UTIL_TEST_LDADD)
test_log_SOURCES = tests/unit/util/test_log.c $(UTIL_SCRATCH)
test_log_LDADD = $(UTIL_TEST_LDADD)
test_clock_SOURCES = tests/unit/util/test_clock.c
test_clock_LDADD = $(UTIL_TEST_LDADD)
test_encode_SOURCES = tests/unit/util/test_encode.c
test_encode_LDADD = $(UTIL_TEST_LDADD)
test_utf8_SOURCES = tests/unit/util/test_utf8.c
test_utf8_LDADD = $(UTIL_TEST_LDADD)
test_json_scan_SOURCES = tests/unit/util/test_json_scan.c
test_json_scan_LDADD = $(UTIL_TEST_LDADD)
test_json_SOURCES = tests/unit/util/test_json.c
test_json_LDADD = $(UTIL_TEST_LDADD)
test_file_SOURCES = tests/unit/util/test_file.c $(UTIL_SCRATCH)
test_file_LDADD = $(UTIL_TEST_LDADD)
test_dir_SOURCES = tests/unit/util/test_dir.c $(UTIL_SCRATCH)
test_dir_LDADD = $(UTIL_TEST_LDADD)
test_redact_SOURCES = tests/unit/util/test_redact.c
test_redact_LDADD = $(UTIL_TEST_LDADD)
test_proc_SOURCES = tests/unit/util/test_proc.c $(UTIL_SCRATCH)
test_proc_LDADD = $(UTIL_TEST_LDADD)
test_proc_tree_SOURCES = tests/unit/util/test_proc_tree.c
test_proc_tree_LDADD = $(UTIL_TEST_LDADD)
test_notify_SOURCES = tests/unit/util/test_notify.c $(UTIL_SCRATCH)
test_notify_LDADD = $(UTIL_TEST_LDADD)
test_fault_SOURCES = tests/unit/util/test_fault.c $(UTIL_SCRATCH)
test_fault_LDADD = $(UTIL_TEST_LDADD)
test_net_SOURCES = tests/unit/util/test_net.c
test_net_LDADD = $(UTIL_TEST_LDADD)
test_csv_SOURCES = tests/unit/util/test_csv.c
test_csv_LDADD = $(UTIL_TEST_LDADD)
test_json_items_SOURCES = tests/unit/util/test_json_items.c
test_json_items_LDADD = $(UTIL_TEST_LDADD)
test_time_read_SOURCES = tests/unit/util/test_time_read.c
test_time_read_LDADD = $(UTIL_TEST_LDADD)
test_net_stream_SOURCES = tests/unit/util/test_net_stream.c
test_net_stream_LDADD = $(UTIL_TEST_LDADD)
test_heap_SOURCES = tests/unit/util/test_heap.c
test_heap_LDADD = $(UTIL_TEST_LDADD)
