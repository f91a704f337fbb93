REPO_TEST_LDADD = librepo.a libutil.a $(SYSTEM_LIBS) $(CMOCKA_LIBS)

check_PROGRAMS += test_branch test_url
TESTS += test_branch test_url

test_branch_SOURCES = tests/unit/repo/test_branch.c
test_branch_LDADD = $(REPO_TEST_LDADD)
test_url_SOURCES = tests/unit/repo/test_url.c
test_url_LDADD = $(REPO_TEST_LDADD)
