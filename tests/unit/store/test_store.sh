#!/bin/bash
# The store's tests with a MariaDB of their own; make check sets srcdir.
exec "${srcdir:-.}/script/with-mariadb" ./test_store "$@"
