#include "agents/agent.h"

#include <ctype.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/buf.h"
#include "util/file.h"
#include "util/json.h"
#include "util/text.h"

#define MANIFEST_MAX ((size_t)16 * 1024)
#define PATH_BYTES 4096
#define TITLE_MAX 80
#define SCRIPT_MAX 64

static const char *const members[] = { "title", "script", "env", "needs",
	"output", "events", "model", "version", "install", "network",
	"simulated_by", "hidden" };

bool
agent_name_valid(const char *name)
{
	size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-");

	return n > 0 && n <= AGENT_NAME_MAX && name[n] == '\0' &&
	    name[0] != '-';
}

bool
agent_model_valid(const char *model)
{
	size_t n = strspn(model,
	    "abcdefghijklmnopqrstuvwxyz"
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._:/@+-[]");

	return n > 0 && n <= AGENT_MODEL_MAX && model[n] == '\0' &&
	    isalnum((unsigned char)model[0]);
}

void
agent_clear(struct agent *a)
{
	free(a->title);
	free(a->script);
	free(a->output);
	free(a->events);
	free(a->model);
	free(a->version);
	free(a->install);
	free(a->simulated_by);
	agent_rules_free(a->rules);
	for (size_t i = 0; i < AGENT_ENV_MAX; i++) {
		free(a->env[i]);
		free(a->needs[i]);
	}
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
is_output(const char *s)
{
	return strcmp(s, "text") == 0 || strcmp(s, "json-lines") == 0;
}

static bool
is_version(const char *s)
{
	size_t n = strspn(s,
	    "abcdefghijklmnopqrstuvwxyz"
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.+-");

	return n > 0 && n <= SCRIPT_MAX && s[n] == '\0' && s[0] != '-';
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
	return text_set(out, s, e);
}

static int
get_flag(struct json_object *o, const char *name, bool *out, struct err *e)
{
	if (json_get_bool(o, name, out) == JSON_MISTYPED)
		return err_set(e, ERR_INVALID, "%s is not true or false", name);
	return 0;
}

/* An array of variables' names. */
static int
get_names(struct json_object *o, const char *name, char **names, struct err *e)
{
	struct json_object *list;
	enum json_got got = json_get_array(o, name, &list);
	const char *s;

	if (got == JSON_MISSING)
		return 0;
	if (got == JSON_MISTYPED || json_array_size(list) > AGENT_ENV_MAX)
		return err_set(e, ERR_INVALID,
		    "%s is not an array of at most %d names", name,
		    AGENT_ENV_MAX);
	for (size_t i = 0; i < json_array_size(list); i++) {
		s = json_array_string(list, i);
		if (s == NULL || !is_variable(s))
			return err_set(e, ERR_INVALID,
			    "%s has what is not a variable's name", name);
		if (text_set(&names[i], s, e) == -1)
			return -1;
	}
	return 0;
}

/* What one member says must fit another. */
static int
check_whole(const struct agent *a, struct err *e)
{
	if ((strcmp(a->output, "text") == 0) != (a->events == NULL))
		return err_set(e, ERR_INVALID,
		    "events go with the output \"json-lines\", and with no "
		    "other");
	if (a->install != NULL && a->version == NULL)
		return err_set(e, ERR_INVALID,
		    "install has no version to install");
	return 0;
}

static int
get_members(struct json_object *o, struct agent *a, struct err *e)
{
	if (check_members(o, e) == -1 ||
	    get_text(o, "title", is_title, true, &a->title, e) == -1 ||
	    get_text(o, "script", is_script, true, &a->script, e) == -1 ||
	    get_text(o, "output", is_output, true, &a->output, e) == -1 ||
	    get_text(o, "events", is_script, false, &a->events, e) == -1 ||
	    get_text(o, "model", agent_model_valid, false, &a->model, e) ==
		-1 ||
	    get_text(o, "version", is_version, false, &a->version, e) == -1 ||
	    get_text(o, "install", is_script, false, &a->install, e) == -1 ||
	    get_text(o, "simulated_by", agent_name_valid, false,
		&a->simulated_by, e) == -1 ||
	    get_flag(o, "network", &a->network, e) == -1 ||
	    get_flag(o, "hidden", &a->hidden, e) == -1)
		return -1;
	if (get_names(o, "env", a->env, e) == -1 ||
	    get_names(o, "needs", a->needs, e) == -1)
		return -1;
	return check_whole(a, e);
}

/* The name of a file in the agent's folder. */
static int
put_path(char path[PATH_BYTES], const char *share_dir, const char *name,
    const char *file, struct err *e)
{
	int n = snprintf(path, PATH_BYTES, "%s/agents/%s/%s", share_dir, name,
	    file);

	if (n < 0 || n >= PATH_BYTES)
		return err_set(e, ERR_INVALID, "path of agent %s is too long",
		    name);
	return 0;
}

static int
read_rules(struct agent *a, const char *share_dir, struct err *e)
{
	char path[PATH_BYTES];

	if (a->events == NULL)
		return 0;
	if (put_path(path, share_dir, a->name, a->events, e) == -1)
		return -1;
	return agent_rules_read(&a->rules, path, e);
}

int
agent_read(struct agent *a, const char *share_dir, const char *name,
    struct err *e)
{
	struct buf text = BUF(MANIFEST_MAX);
	struct json_object *o = NULL;
	char path[PATH_BYTES];
	int rc = -1;

	*a = (struct agent){ 0 };
	if (!agent_name_valid(name))
		return err_set(e, ERR_INVALID, "not an agent's name");
	if (put_path(path, share_dir, name, "agent.json", e) == -1)
		return -1;
	(void)snprintf(a->name, sizeof(a->name), "%s", name);
	if (file_read(AT_FDCWD, path, &text, e) == -1)
		goto out;
	if (json_read(&o, text.data == NULL ? "" : text.data, text.len, e) ==
		-1 ||
	    get_members(o, a, e) == -1) {
		(void)err_wrap(e, "%s", path);
		goto out;
	}
	rc = read_rules(a, share_dir, e);
out:
	json_free(o);
	buf_clear(&text);
	if (rc == -1)
		agent_clear(a);
	return rc;
}
