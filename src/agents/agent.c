#include "agents/agent.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agents/output.h"
#include "util/buf.h"
#include "util/file.h"
#include "util/json.h"

#define MANIFEST_MAX ((size_t)16 * 1024)
#define PATH_BYTES 4096
#define TITLE_MAX 80
#define SCRIPT_MAX 64

static const char *const members[] = { "title", "script", "env", "output",
	"network", "simulated_by", "hidden" };

bool
agent_name_valid(const char *name)
{
	size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-");

	return n > 0 && n <= AGENT_NAME_MAX && name[n] == '\0' &&
	    name[0] != '-';
}

void
agent_clear(struct agent *a)
{
	free(a->title);
	free(a->script);
	free(a->output);
	free(a->simulated_by);
	for (size_t i = 0; i < AGENT_ENV_MAX; i++)
		free(a->env[i]);
	*a = (struct agent){ 0 };
}

/* A file name beside the manifest, and no path. */
static bool
is_script(const char *s)
{
	size_t n = strspn(s,
	    "abcdefghijklmnopqrstuvwxyz"
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-");

	return n > 0 && n <= SCRIPT_MAX && s[n] == '\0' && s[0] != '.';
}

static bool
is_title(const char *s)
{
	return s[0] != '\0' && strlen(s) <= TITLE_MAX &&
	    strpbrk(s, "\r\n\t") == NULL;
}

static bool
is_variable(const char *s)
{
	size_t n = strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");

	return n > 0 && s[n] == '\0' && (s[0] < '0' || s[0] > '9');
}

static int
check_members(struct json_object *o, struct err *e)
{
	const char *name;

	if (!json_is_object(o))
		return err_set(e, ERR_INVALID, "it is not a JSON object");
	for (size_t i = 0; (name = json_member_name(o, i)) != NULL; i++) {
		size_t m = 0;

		while (m < sizeof(members) / sizeof(members[0]) &&
		    strcmp(name, members[m]) != 0)
			m++;
		if (m == sizeof(members) / sizeof(members[0]))
			return err_set(e, ERR_INVALID, "unknown member %s",
			    name);
	}
	return 0;
}

/* Copies string name, which must pass valid(). */
static int
get_text(struct json_object *o, const char *name, bool (*valid)(const char *),
    bool needed, char **out, struct err *e)
{
	const char *s;
	size_t len;
	enum json_got got = json_get_string(o, name, &s, &len);

	if (got == JSON_MISSING && !needed)
		return 0;
	if (got != JSON_FOUND || !valid(s))
		return err_set(e, ERR_INVALID, "%s is missing or not valid",
		    name);
	if ((*out = strdup(s)) == NULL)
		return err_set(e, ERR_RETRY, "out of memory");
	return 0;
}

static int
get_flag(struct json_object *o, const char *name, bool *out, struct err *e)
{
	if (json_get_bool(o, name, out) == JSON_MISTYPED)
		return err_set(e, ERR_INVALID, "%s is not true or false", name);
	return 0;
}

static int
get_env(struct json_object *o, struct agent *a, struct err *e)
{
	struct json_object *list;
	enum json_got got = json_get_array(o, "env", &list);
	const char *s;

	if (got == JSON_MISSING)
		return 0;
	if (got == JSON_MISTYPED || json_array_size(list) > AGENT_ENV_MAX)
		return err_set(e, ERR_INVALID,
		    "env is not an array of at most %d names", AGENT_ENV_MAX);
	for (size_t i = 0; i < json_array_size(list); i++) {
		s = json_array_string(list, i);
		if (s == NULL || !is_variable(s))
			return err_set(e, ERR_INVALID,
			    "env has what is not a variable's name");
		if ((a->env[i] = strdup(s)) == NULL)
			return err_set(e, ERR_RETRY, "out of memory");
	}
	return 0;
}

static int
get_members(struct json_object *o, struct agent *a, struct err *e)
{
	if (check_members(o, e) == -1 ||
	    get_text(o, "title", is_title, true, &a->title, e) == -1 ||
	    get_text(o, "script", is_script, true, &a->script, e) == -1 ||
	    get_text(o, "output", agent_output_known, true, &a->output, e) ==
		-1 ||
	    get_text(o, "simulated_by", agent_name_valid, false,
		&a->simulated_by, e) == -1 ||
	    get_flag(o, "network", &a->network, e) == -1 ||
	    get_flag(o, "hidden", &a->hidden, e) == -1)
		return -1;
	return get_env(o, a, e);
}

int
agent_read(struct agent *a, const char *share_dir, const char *name,
    struct err *e)
{
	struct buf text = BUF(MANIFEST_MAX);
	struct json_object *o = NULL;
	char path[PATH_BYTES];
	int n, rc = -1;

	*a = (struct agent){ 0 };
	if (!agent_name_valid(name))
		return err_set(e, ERR_INVALID, "not an agent's name");
	n = snprintf(path, sizeof(path), "%s/agents/%s/agent.json", share_dir,
	    name);
	if (n < 0 || (size_t)n >= sizeof(path))
		return err_set(e, ERR_INVALID, "path of agent %s is too long",
		    name);
	(void)snprintf(a->name, sizeof(a->name), "%s", name);
	if (file_read(AT_FDCWD, path, &text, e) == -1)
		goto out;
	if (json_read(&o, text.data == NULL ? "" : text.data, text.len, e) ==
		-1 ||
	    get_members(o, a, e) == -1) {
		(void)err_wrap(e, "%s", path);
		goto out;
	}
	rc = 0;
out:
	json_free(o);
	buf_clear(&text);
	if (rc == -1)
		agent_clear(a);
	return rc;
}
