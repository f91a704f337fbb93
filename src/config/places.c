#include "config/places.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The folders that every sandbox sees, for the programs in them. */
static const char *const shown[] = { "/usr", "/bin", "/sbin", "/lib", "/lib32",
	"/lib64", "/libx32" };

/* What no sandbox may see. */
struct place {
	const char *name;
	const char *path;
	char *real; /* without links and dots, as far as it exists */
};

#define PLACES 7

/*
 * Without links, dots and a slash at the end. What does not exist yet is put
 * behind the folder that does. NULL: no memory.
 */
static char *
resolve(const char *path)
{
	char *head = strdup(path), *real = NULL, *out = NULL;
	size_t len = strlen(path);
	char *slash;

	if (head == NULL)
		return NULL;
	while (len > 1 && head[len - 1] == '/')
		head[--len] = '\0';
	while ((real = realpath(head, NULL)) == NULL &&
	    (slash = strrchr(head, '/')) != NULL && slash != head)
		*slash = '\0';
	if (real == NULL)
		out = strndup(path, len);
	else if (asprintf(&out, "%s%.*s", real, (int)(len - strlen(head)),
		     path + strlen(head)) == -1)
		out = NULL;
	free(head);
	free(real);
	return out;
}

static bool
is_within(const char *path, const char *folder)
{
	size_t n = strlen(folder);

	return strcmp(folder, "/") == 0 ||
	    (strncmp(path, folder, n) == 0 &&
		(path[n] == '/' || path[n] == '\0'));
}

/* By name or over links. */
static int
check_shown(const struct place *p, struct err *e)
{
	for (size_t i = 0; i < sizeof(shown) / sizeof(shown[0]); i++)
		if (is_within(p->path, shown[i]) ||
		    is_within(p->real, shown[i]))
			return err_set(e, ERR_INVALID,
			    "%s, %s, is below %s, which every sandbox can "
			    "read: put it elsewhere, such as below /etc, /var "
			    "or a home",
			    p->name, p->path, shown[i]);
	return 0;
}

static int
check_folder(const struct place places[PLACES], const char *folder,
    struct err *e)
{
	char *real = resolve(folder);
	int rc = -1;

	if (real == NULL)
		return err_set(e, ERR_RETRY, "out of memory");
	for (size_t i = 0; i < PLACES; i++) {
		const struct place *p = &places[i];

		if (p->path[0] == '\0')
			continue;
		if (is_within(p->real, real)) {
			err_set(e, ERR_INVALID,
			    "SIMULATION_AGENT_PATH has \"%.100s\", and %s is "
			    "in it, which agents must not see",
			    folder, p->name);
			goto out;
		}
		if (is_within(real, p->real)) {
			err_set(e, ERR_INVALID,
			    "SIMULATION_AGENT_PATH has \"%.100s\", which is in "
			    "%s, and agents must not see that",
			    folder, p->name);
			goto out;
		}
	}
	rc = 0;
out:
	free(real);
	return rc;
}

/* Sandboxes see these folders: each is one by its full name, and not all. */
static int
check_agent_path(const struct config *c, const struct place places[PLACES],
    struct err *e)
{
	const char *at = c->simulation_agent_path;

	while (*at != '\0') {
		size_t n = strcspn(at, ":");
		char *folder;
		int rc;

		if (at[0] != '/' || strspn(at, "/") >= n)
			return err_set(e, ERR_INVALID,
			    "SIMULATION_AGENT_PATH has \"%.*s\", which is not "
			    "the full name of a folder with programs",
			    (int)(n < 100 ? n : 100), at);
		if ((folder = strndup(at, n)) == NULL)
			return err_set(e, ERR_RETRY, "out of memory");
		rc = check_folder(places, folder, e);
		free(folder);
		if (rc == -1)
			return -1;
		at += n + (at[n] == ':');
	}
	return 0;
}

int
config_check_places(const struct config *c, struct err *e)
{
	struct place places[PLACES] = {
		{ "the configuration file", c->file, NULL },
		{ "STATE_DIR", c->state_dir, NULL },
		{ "SANDBOX_DIR", c->sandbox_dir, NULL },
		{ "API_SOCKET", c->api_socket, NULL },
		{ "OUTBOUND_SOCKET", c->outbound_socket, NULL },
		{ "DB_SOCKET", c->db_socket, NULL },
		{ "LOG_FILE", c->log_file, NULL },
	};
	int rc = -1;

	for (size_t i = 0; i < PLACES; i++) {
		if ((places[i].real = resolve(places[i].path)) == NULL) {
			err_set(e, ERR_RETRY, "out of memory");
			goto out;
		}
		if (check_shown(&places[i], e) == -1)
			goto out;
	}
	rc = check_agent_path(c, places, e);
out:
	for (size_t i = 0; i < PLACES; i++)
		free(places[i].real);
	return rc;
}
