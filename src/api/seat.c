#include "api/seat.h"

#include <fcntl.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "util/clock.h"
#include "util/file.h"

#define LOOK_AGAIN_NS (5 * 1000 * 1000)

/* Takes a free lock of STATE_DIR/<what>.<kind><n>.lock; -2: none is. */
static int
take_one(const struct seats *s, const char *kind, long count, struct err *e)
{
	char path[4096];
	int fd = -2;

	for (long i = 0; i < count && fd == -2; i++) {
		int n = snprintf(path, sizeof(path), "%s/%s.%s%ld.lock",
		    s->state_dir, s->what, kind, i);

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

int
seat_take(const struct seats *s, struct err *e)
{
	const struct timespec pause = { .tv_nsec = LOOK_AGAIN_NS };
	const int64_t end_ms = clock_mono_ms() + s->wait_ms;
	int fd = take_one(s, "", s->count, e);
	int place;

	if (fd != -2)
		return fd;
	if ((place = take_one(s, "wait-", s->standing, e)) < 0)
		return place;
	while (fd == -2 && clock_mono_ms() < end_ms) {
		(void)nanosleep(&pause, NULL);
		fd = take_one(s, "", s->count, e);
	}
	seat_leave(place);
	return fd;
}

void
seat_leave(int fd)
{
	if (fd >= 0)
		close(fd);
}
