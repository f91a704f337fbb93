/* The list half of agents/agent.h. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agents/agent.h"

#define PATH_BYTES 4096

/* The two that the front end knows come first, then the rest by name. */
static int
rank(const char *name)
{
	if (strcmp(name, "claude") == 0)
		return 0;
	return strcmp(name, "codex") == 0 ? 1 : 2;
}

static int
compare(const void *pa, const void *pb)
{
	const struct agent *a = pa, *b = pb;
	int by_rank = rank(a->name) - rank(b->name);

	return by_rank != 0 ? by_rank : strcmp(a->name, b->name);
}

/* Reads the agents of an open folder into l, which has room for all. */
static int
read_folder(struct agent_list *l, DIR *dir, const char *share_dir,
    struct err *e)
{
	struct dirent *d;

	for (errno = 0; (d = readdir(dir)) != NULL; errno = 0) {
		if (!agent_name_valid(d->d_name))
			continue;
		if (l->count == AGENTS_MAX)
			return err_set(e, ERR_INVALID,
			    "more than %d agents in %s", AGENTS_MAX, share_dir);
		if (agent_read(&l->agents[l->count], share_dir, d->d_name, e) ==
		    -1)
			return err_wrap(e, "agent %s", d->d_name);
		l->count++;
	}
	if (errno != 0)
		return err_sys(e, ERR_RETRY, "read the agents of %s",
		    share_dir);
	return 0;
}

/* Each stand-in must be there, and not stand in for itself. */
static int
check_stand_ins(const struct agent_list *l, struct err *e)
{
	for (size_t i = 0; i < l->count; i++) {
		const char *by = l->agents[i].simulated_by;
		size_t k = 0;

		if (by == NULL)
			continue;
		while (k < l->count && strcmp(l->agents[k].name, by) != 0)
			k++;
		if (k == l->count || k == i)
			return err_set(e, ERR_INVALID,
			    "agent %s: there is no agent %s to simulate it",
			    l->agents[i].name, by);
	}
	return 0;
}

int
agent_list_read(struct agent_list *l, const char *share_dir, struct err *e)
{
	char path[PATH_BYTES];
	DIR *dir = NULL;
	int n, rc = -1;

	*l = (struct agent_list){ 0 };
	n = snprintf(path, sizeof(path), "%s/agents", share_dir);
	if (n < 0 || (size_t)n >= sizeof(path))
		return err_set(e, ERR_INVALID, "%s is too long", share_dir);
	if ((dir = opendir(path)) == NULL)
		return err_sys(e, errno == ENOENT ? ERR_ABSENT : ERR_DENIED,
		    "open %s", path);
	l->agents = calloc(AGENTS_MAX, sizeof(*l->agents));
	if (l->agents == NULL) {
		(void)err_set(e, ERR_RETRY, "out of memory");
		goto out;
	}
	if (read_folder(l, dir, share_dir, e) == -1 ||
	    check_stand_ins(l, e) == -1)
		goto out;
	qsort(l->agents, l->count, sizeof(*l->agents), compare);
	rc = 0;
out:
	(void)closedir(dir);
	if (rc == -1)
		agent_list_clear(l);
	return rc;
}

void
agent_list_clear(struct agent_list *l)
{
	for (size_t i = 0; i < l->count; i++)
		agent_clear(&l->agents[i]);
	free(l->agents);
	*l = (struct agent_list){ 0 };
}

/* The agent of a name with this length; NULL: there is none. */
static struct agent *
find(struct agent_list *l, const char *name, size_t len)
{
	for (size_t i = 0; i < l->count; i++) {
		if (strlen(l->agents[i].name) == len &&
		    memcmp(l->agents[i].name, name, len) == 0)
			return &l->agents[i];
	}
	return NULL;
}

int
agent_list_offer(struct agent_list *l, const char *names, struct err *e)
{
	if (names[0] == '\0')
		return 0;
	for (size_t i = 0; i < l->count; i++)
		l->agents[i].hidden = true;
	while (*names != '\0') {
		size_t n = strcspn(names, ",");
		struct agent *a = find(l, names, n);

		if (a == NULL)
			return err_set(e, ERR_INVALID,
			    "AGENTS: there is no agent \"%.*s\"",
			    (int)(n < 60 ? n : 60), names);
		a->hidden = false;
		names += n + (names[n] == ',');
	}
	return 0;
}

const struct agent *
agent_list_find(const struct agent_list *l, const char *name)
{
	for (size_t i = 0; i < l->count; i++) {
		if (!l->agents[i].hidden &&
		    strcmp(l->agents[i].name, name) == 0)
			return &l->agents[i];
	}
	return NULL;
}

void
agent_list_choices(const struct agent_list *l, char *out, size_t size)
{
	size_t shown = 0, total = 0, used;
	int n = snprintf(out, size, "model must be %s", "");

	for (size_t i = 0; i < l->count; i++)
		total += !l->agents[i].hidden;
	if (total == 2)
		n = snprintf(out, size, "model must be either ");
	for (size_t i = 0; i < l->count; i++) {
		const char *between = "";

		if (l->agents[i].hidden)
			continue;
		used = n < 0 ? 0 : (size_t)n;
		if (used >= size)
			return;
		if (shown > 0)
			between = shown + 1 == total ? " or " : ", ";
		n += snprintf(out + used, size - used, "%s\"%s\"", between,
		    l->agents[i].name);
		shown++;
	}
}
