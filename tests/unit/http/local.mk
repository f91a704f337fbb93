check_PROGRAMS += test_http test_fcgi_params
TESTS += test_http test_fcgi_params
test_http_SOURCES = tests/unit/http/test_http.c
test_http_LDADD = $(UNIT_LDADD)
test_fcgi_params_SOURCES = tests/unit/http/test_fcgi_params.c
test_fcgi_params_LDADD = $(UNIT_LDADD)
