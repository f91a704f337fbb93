#include "engine/workspace.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>

#include "spool/spool.h"

bool
workspace_owner(const char *entry, struct hold *h)
{
	const char *dot = strrchr(entry, '.');
	size_t len = dot == NULL ? 0 : (size_t)(dot - entry);
	char name[SPOOL_NAME_MAX];

	if (len == 0 || len >= sizeof(name))
		return false;
	memcpy(name, entry, len);
	name[len] = '\0';
	return spool_name_read(name, &h->task_id, &h->attempt);
}

size_t
workspace_find(const char *dir, const struct hold *h, struct workspace *found,
    size_t max)
{
	struct dirent *d;
	struct hold owner;
	size_t n = 0;
	DIR *entries = opendir(dir);

	if (entries == NULL)
		return 0;
	while (n < max && (d = readdir(entries)) != NULL)
		if (workspace_owner(d->d_name, &owner) &&
		    owner.task_id == h->task_id && owner.attempt == h->attempt)
			(void)snprintf(found[n++].name, sizeof(found[0].name),
			    "%s", d->d_name);
	(void)closedir(entries);
	return n;
}
