#include "api/seat.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "util/clock.h"
#include "util/encode.h"
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

/* Where a user's seats begin: 48 bits of a hash, and room for 128 behind. */
static off_t
first_of(const char *user_id)
{
	uint8_t hash[SHA256_BYTES];
	uint64_t first = 0;

	sha256(hash, user_id, strlen(user_id));
	for (size_t i = 0; i < 6; i++)
		first = first << 8 | hash[i];
	return (off_t)(first << 7);
}

int
seat_take_own(const struct seats *s, const char *user_id, struct err *e)
{
	char path[4096];
	int n =
	    snprintf(path, sizeof(path), "%s/%s.lock", s->state_dir, s->what);
	int fd;

	if (n < 0 || (size_t)n >= sizeof(path))
		return err_set(e, ERR_BROKEN, "STATE_DIR is too long a path");
	fd = file_lock_byte(AT_FDCWD, path, first_of(user_id), s->count, e);
	if (fd == -1)
		e->kind = ERR_BROKEN; /* nothing of the client's */
	return fd;
}

void
seat_leave(int fd)
{
	if (fd >= 0)
		close(fd);
}
