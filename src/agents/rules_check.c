/* rules: finds what is wrong with them, so that a misspelt one is noticed. */
#include <string.h>

#include "agents/rules_impl.h"

#define RULES_MAX 100

static bool
is_path(struct json_object *o)
{
	const char *s;
	size_t len;

	return json_as_string(o, &s, &len) && len > 0 && len < 200 &&
	    s[0] != '.' && s[len - 1] != '.' && strstr(s, "..") == NULL;
}

/* Conditions: an object of paths; what must stand there is anything. */
static int
check_conditions(struct json_object *o, const char *name, struct err *e)
{
	if (o != NULL && !json_is_object(o))
		return err_set(e, ERR_INVALID, "%s is not an object", name);
	return 0;
}

/* A field's place: a path, a list of paths, or a value of its own. */
static int
check_place(struct json_object *o, const char *name, struct err *e)
{
	double n;
	bool b, good = is_path(o);

	if (json_is_array(o)) {
		good = json_array_size(o) > 0;
		for (size_t i = 0; i < json_array_size(o); i++)
			good = good && is_path(json_array_item(o, i));
	} else if (json_as_number(o, &n) || json_as_bool(o, &b)) {
		good = true;
	}
	if (!good)
		return err_set(e, ERR_INVALID, "%s is no path", name);
	return 0;
}

static bool
is_field(const char *name)
{
	for (size_t i = 0; i < FIELD_N; i++) {
		if (strcmp(agent_fields[i].name, name) == 0)
			return true;
	}
	return false;
}

static int
check_added(struct json_object *o, struct err *e)
{
	bool good = json_array_size(o) > 0;

	for (size_t i = 0; i < json_array_size(o); i++) {
		const char *name = json_array_string(o, i);

		good = good && name != NULL && is_field(name);
	}
	return good ? 0 : err_set(e, ERR_INVALID, "add is no list of members");
}

static int
check_member(struct json_object *rule, const char *name, struct err *e)
{
	struct json_object *o = json_member(rule, name);
	const char *s;
	size_t len;
	bool flag;

	if (strcmp(name, "line") == 0 || strcmp(name, "item") == 0)
		return check_conditions(o, name, e);
	if (strcmp(name, "each") == 0)
		return is_path(o) ? 0
				  : err_set(e, ERR_INVALID, "each is no path");
	if (strcmp(name, "last") == 0)
		return json_as_bool(o, &flag)
		    ? 0
		    : err_set(e, ERR_INVALID, "last is not true or false");
	if (strcmp(name, "add") == 0)
		return check_added(o, e);
	if (strcmp(name, "event") == 0)
		return json_as_string(o, &s, &len) &&
			agent_event_of(s) != EVENT_N
		    ? 0
		    : err_set(e, ERR_INVALID, "there is no such event");
	if (!is_field(name))
		return err_set(e, ERR_INVALID, "unknown member %s", name);
	return check_place(o, name, e);
}

static int
check_rule(struct json_object *rule, struct err *e)
{
	const char *name;

	if (!json_is_object(rule) || !json_has(rule, "event"))
		return err_set(e, ERR_INVALID, "a rule has an event");
	for (size_t i = 0; (name = json_member_name(rule, i)) != NULL; i++) {
		if (check_member(rule, name, e) == -1)
			return -1;
	}
	return 0;
}

static int
check_ignored(struct json_object *o, struct err *e)
{
	if (!json_is_object(o) || json_member_name(o, 0) == NULL)
		return err_set(e, ERR_INVALID,
		    "it is not an object of conditions");
	return 0;
}

static int
check_failure(struct json_object *row, struct err *e)
{
	static const char *const classes[] = { "agent_key", "agent_quota",
		"agent_rate", "agent_limit" };
	const char *is, *s;
	size_t len, i = 0;
	int64_t n;
	int ways = 0;

	ways += json_get_string(row, "code", &s, &len) == JSON_FOUND && len > 0;
	ways += json_get_string(row, "text", &s, &len) == JSON_FOUND && len > 0;
	ways += json_get_int(row, "status", &n) == JSON_FOUND && n > 0;
	if (ways != 1 || json_member_name(row, 2) != NULL ||
	    json_get_string(row, "is", &is, &len) != JSON_FOUND)
		return err_set(e, ERR_INVALID,
		    "a failure has a code, a status or a text, and is");
	while (i < sizeof(classes) / sizeof(classes[0]) &&
	    strcmp(classes[i], is) != 0)
		i++;
	if (i == sizeof(classes) / sizeof(classes[0]))
		return err_set(e, ERR_INVALID, "there is no failure %.40s", is);
	return 0;
}

/* An array, each of whose items is good. */
static int
check_list(struct json_object *doc, const char *name, bool needed,
    int (*good)(struct json_object *item, struct err *e),
    struct json_object **list, struct err *e)
{
	enum json_got got = json_get_array(doc, name, list);

	if (got == JSON_MISSING && !needed) {
		*list = NULL;
		return 0;
	}
	if (got != JSON_FOUND || json_array_size(*list) > RULES_MAX)
		return err_set(e, ERR_INVALID,
		    "%s is not an array of at most %d items", name, RULES_MAX);
	for (size_t i = 0; i < json_array_size(*list); i++) {
		if (good(json_array_item(*list, i), e) == -1)
			return err_wrap(e, "%s, item %zu", name, i);
	}
	return 0;
}

int
rules_check(struct agent_rules *r, struct err *e)
{
	const char *name;

	if (!json_is_object(r->doc))
		return err_set(e, ERR_INVALID, "it is not a JSON object");
	for (size_t i = 0; (name = json_member_name(r->doc, i)) != NULL; i++) {
		if (strcmp(name, "rules") != 0 && strcmp(name, "ignore") != 0 &&
		    strcmp(name, "failures") != 0)
			return err_set(e, ERR_INVALID, "unknown member %s",
			    name);
	}
	if (check_list(r->doc, "rules", true, check_rule, &r->rules, e) == -1 ||
	    check_list(r->doc, "ignore", false, check_ignored, &r->ignore, e) ==
		-1)
		return -1;
	return check_list(r->doc, "failures", false, check_failure,
	    &r->failures, e);
}
