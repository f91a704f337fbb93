#include "scratch.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int
scratch_make(void **state)
{
	char path[] = "/tmp/taskmill-test-XXXXXX";

	if (mkdtemp(path) == NULL)
		return -1;
	*state = strdup(path);
	return *state == NULL ? -1 : 0;
}

/* Opens each folder on the way down, and removes all on the way up. */
static int
take_away(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st;
	(void)at;
	return type == FTW_DP ? rmdir(path) : unlink(path);
}

int
scratch_remove(void **state)
{
	int rc = nftw(*state, take_away, 16, FTW_DEPTH | FTW_PHYS);

	free(*state);
	return rc;
}
