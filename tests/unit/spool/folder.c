#include "folder.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "util/encode.h"
#include "util/file.h"

int
folder_setup(void **state)
{
	struct folder *f = calloc(1, sizeof(*f));
	struct err e = { 0 };

	if (f == NULL || encode_init(&e) == -1)
		return -1;
	(void)snprintf(f->path, sizeof(f->path), "/tmp/tm-spool-XXXXXX");
	if (mkdtemp(f->path) == NULL)
		return -1;
	f->fd = open(f->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	*state = f;
	return f->fd == -1 ? -1 : 0;
}

int
folder_teardown(void **state)
{
	struct folder *f = *state;
	struct err e = { 0 };
	int rc = dir_remove(AT_FDCWD, f->path, &e);

	(void)close(f->fd);
	free(f);
	return rc;
}

void
folder_write(const struct folder *f, const char *name, const void *bytes,
    unsigned long len)
{
	struct err e = { 0 };
	int fd =
	    openat(f->fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_int_not_equal(fd, -1);
	assert_int_equal(fd_write_all(fd, bytes, len, &e), 0);
	(void)close(fd);
}

unsigned long
folder_read(const struct folder *f, const char *name, char *out,
    unsigned long size)
{
	int fd = openat(f->fd, name, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	assert_int_not_equal(fd, -1);
	n = read(fd, out, size - 1);
	assert_true(n >= 0);
	out[n] = '\0';
	(void)close(fd);
	return (unsigned long)n;
}
