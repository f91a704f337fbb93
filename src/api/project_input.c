#include "api/project_input.h"

#include <string.h>

#include "api/body.h"
#include "util/utf8.h"

#define REQUIRED "name and repo_url are required"
#define NO_SETTINGS "{}"

static int
read_name(struct project_input *in, struct json_object *body, struct err *e)
{
	struct body_text name;

	if (body_string(body, "name", &name, e) == -1)
		return -1;
	if (utf8_length(name.s, name.len) > PROJECT_NAME_MAX)
		return err_set(e, ERR_INVALID,
		    "name must be at most %d characters", PROJECT_NAME_MAX);
	in->values.name = name.s;
	return 0;
}

static int
read_repo(struct project_input *in, const struct call *c, struct err *e)
{
	const struct config *cfg = c->api->cfg;
	const struct repo_policy policy = { cfg->repo_allowed_hosts,
		cfg->repo_allow_http };
	struct body_text url;

	if (body_string(c->body, "repo_url", &url, e) == -1 ||
	    repo_url_read(&in->repo, url.s, &policy, e) == -1)
		return -1;
	in->values.repo_url = in->repo.stored;
	in->values.repo_owner = in->repo.owner;
	in->values.repo_name = in->repo.name;
	return 0;
}

static int
read_description(struct project_input *in, struct json_object *body,
    struct err *e)
{
	struct body_text text;

	if (body_string(body, "description", &text, e) == -1)
		return -1;
	if (utf8_length(text.s, text.len) > PROJECT_DESCRIPTION_MAX)
		return err_set(e, ERR_INVALID,
		    "description must be at most %d characters",
		    PROJECT_DESCRIPTION_MAX);
	in->values.set_description = true;
	in->values.description = text.s;
	return 0;
}

/* Any object, kept as it was sent; what is missing is an empty one. */
static int
read_settings(struct project_input *in, struct json_object *body, struct err *e)
{
	struct json_object *settings;
	struct json_out j;

	in->values.settings = NO_SETTINGS;
	in->values.settings_len = strlen(NO_SETTINGS);
	if (json_member_falsy(body, "settings"))
		return 0;
	if (json_get_object(body, "settings", &settings) != JSON_FOUND)
		return err_set(e, ERR_INVALID, "settings must be an object");
	json_start(&j, &in->settings);
	json_value(&j, settings);
	if (!buf_ok(&in->settings))
		return err_set(e, ERR_INVALID,
		    "settings must be at most %zu bytes", PROJECT_SETTINGS_MAX);
	in->values.settings = in->settings.data;
	in->values.settings_len = in->settings.len;
	return 0;
}

static void
begin(struct project_input *in)
{
	memset(in, 0, sizeof(*in));
	in->settings.max = PROJECT_SETTINGS_MAX;
}

int
project_input_new(struct project_input *in, const struct call *c, struct err *e)
{
	begin(in);
	if (json_member_falsy(c->body, "name") ||
	    json_member_falsy(c->body, "repo_url"))
		return err_set(e, ERR_INVALID, REQUIRED);
	if (read_name(in, c->body, e) == -1 || read_repo(in, c, e) == -1 ||
	    read_description(in, c->body, e) == -1)
		return -1;
	return read_settings(in, c->body, e);
}

/* A name that is there must say something; an address is read anyway. */
static int
check_name(struct json_object *body, struct err *e)
{
	struct body_text text;

	if (body_string(body, "name", &text, e) == -1)
		return -1;
	body_strip(&text);
	return text.len > 0 ? 0 : err_set(e, ERR_INVALID, REQUIRED);
}

static int
change_text(struct project_input *in, const struct call *c, struct err *e)
{
	if (json_has(c->body, "name") &&
	    (check_name(c->body, e) == -1 || read_name(in, c->body, e) == -1))
		return -1;
	return json_has(c->body, "repo_url") ? read_repo(in, c, e) : 0;
}

int
project_input_change(struct project_input *in, const struct call *c,
    struct err *e)
{
	struct project_values *v = &in->values;

	begin(in);
	if (change_text(in, c, e) == -1)
		return -1;
	if (json_has(c->body, "description") &&
	    read_description(in, c->body, e) == -1)
		return -1;
	if (json_has(c->body, "is_active")) {
		v->set_active = true;
		if (json_get_bool(c->body, "is_active", &v->is_active) !=
		    JSON_FOUND)
			return err_set(e, ERR_INVALID,
			    "is_active must be a boolean");
	}
	if (json_has(c->body, "settings"))
		return read_settings(in, c->body, e);
	return 0;
}

void
project_input_clear(struct project_input *in)
{
	buf_clear(&in->settings);
	memset(in, 0, sizeof(*in));
}
