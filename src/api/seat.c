#include "api/seat.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "util/file.h"

int
seat_take(const char *state_dir, const char *what, long count, struct err *e)
{
	char path[4096];
	int fd = -2;

	for (long i = 0; i < count && fd == -2; i++) {
		int n = snprintf(path, sizeof(path), "%s/%s.%ld.lock",
		    state_dir, what, i);

		if (n < 0 || (size_t)n >= sizeof(path))
			return err_set(e, ERR_BROKEN,
			    "STATE_DIR is too long a path");
		if ((fd = file_lock(AT_FDCWD, path, e)) == -1) {
			/* Whatever it was, it is nothing of the client's. */
			e->kind = ERR_BROKEN;
			return -1;
		}
	}
	return fd;
}

void
seat_leave(int fd)
{
	if (fd >= 0)
		close(fd);
}
