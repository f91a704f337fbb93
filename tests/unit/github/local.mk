GITHUB_TEST_LDADD = libgithub.a librepo.a libutil.a $(SYSTEM_LIBS) \
	$(CMOCKA_LIBS)

check_PROGRAMS += test_github_classify test_github_read test_github_host
TESTS += test_github_classify test_github_read test_github_host

test_github_classify_SOURCES = tests/unit/github/test_classify.c
test_github_classify_LDADD = $(GITHUB_TEST_LDADD)
test_github_read_SOURCES = tests/unit/github/test_read.c
test_github_read_LDADD = $(GITHUB_TEST_LDADD)
test_github_host_SOURCES = tests/unit/github/test_host.c
test_github_host_LDADD = $(GITHUB_TEST_LDADD)

# Driven by tests/github-server/test_client.py, against the stand-in there.
check_PROGRAMS += github_client
github_client_SOURCES = tests/programs/github_client.c
github_client_LDADD = $(GITHUB_TEST_LDADD)
