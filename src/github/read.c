#include "github/read.h"

#include <string.h>
#include <strings.h>

#include "util/json.h"

#define NAME_LETTERS \
	"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"

/* Logins of organisations' managed users have an underscore, bots brackets. */
#define LOGIN_LETTERS NAME_LETTERS "[]"

static int
broken(struct err *e, const char *what)
{
	return err_set(e, ERR_BROKEN, "GitHub's answer has no usable %s", what);
}

bool
read_is_name(const char *text)
{
	size_t len = strspn(text, NAME_LETTERS);

	return len > 0 && len <= REPO_NAME_MAX && text[len] == '\0' &&
	    strcmp(text, ".") != 0 && strcmp(text, "..") != 0;
}

/* A borrowed string, NULL when there is none. */
static const char *
text_of(struct json_object *o, const char *name)
{
	const char *s;
	size_t len;

	return json_get_string(o, name, &s, &len) == JSON_FOUND ? s : NULL;
}

/* Copies member name of o if it fits and is no empty text. */
static bool
take(struct json_object *o, const char *name, char *out, size_t size)
{
	const char *s;
	size_t len;

	if (json_get_string(o, name, &s, &len) != JSON_FOUND || len == 0 ||
	    len >= size || strlen(s) != len)
		return false;
	memcpy(out, s, len + 1);
	return true;
}

static bool
take_sha(struct json_object *o, char out[HOST_SHA_MAX + 1])
{
	size_t len;

	if (!take(o, "sha", out, HOST_SHA_MAX + 1))
		return false;
	len = strspn(out, "0123456789abcdef");
	return out[len] == '\0' && (len == 40 || len == 64);
}

/* An object, or ERR_BROKEN. *o is the caller's in any case. */
static int
read_object(struct json_object **o, const char *json, size_t len, struct err *e)
{
	if (json_read(o, json, len, e) == -1) {
		e->kind = ERR_BROKEN;
		return err_wrap(e, "GitHub's answer");
	}
	return json_is_object(*o) ? 0 : broken(e, "object");
}

int
read_viewer(struct host_viewer *v, const char *json, size_t len, struct err *e)
{
	struct json_object *o = NULL;
	int rc = -1;

	if (read_object(&o, json, len, e) == -1)
		goto out;
	if (!take(o, "login", v->login, sizeof(v->login)) ||
	    v->login[strspn(v->login, LOGIN_LETTERS)] != '\0') {
		(void)broken(e, "login");
		goto out;
	}
	rc = 0;
out:
	json_free(o);
	return rc;
}

/* Splits "owner/name". */
static bool
take_full_name(struct json_object *o, struct host_repo *r)
{
	char full[2 * REPO_NAME_MAX + 2], *slash;
	size_t owner, name;

	if (!take(o, "full_name", full, sizeof(full)) ||
	    (slash = strchr(full, '/')) == NULL)
		return false;
	*slash++ = '\0';
	if (!read_is_name(full) || !read_is_name(slash))
		return false;
	owner = strlen(full);
	name = strlen(slash);
	memcpy(r->owner, full, owner + 1);
	memcpy(r->name, slash, name + 1);
	return true;
}

int
read_repo(struct host_repo *r, const char *json, size_t len, struct err *e)
{
	struct json_object *o = NULL, *may;
	int rc = -1;

	memset(r, 0, sizeof(*r));
	if (read_object(&o, json, len, e) == -1)
		goto out;
	if (!take_full_name(o, r)) {
		(void)broken(e, "full_name");
		goto out;
	}
	if (json_get_bool(o, "private", &r->is_private) != JSON_FOUND) {
		(void)broken(e, "private");
		goto out;
	}
	/* A branch that we could not name anyway is as good as none. */
	if (!take(o, "default_branch", r->default_branch,
		sizeof(r->default_branch)) ||
	    !branch_valid(r->default_branch))
		r->default_branch[0] = '\0';
	(void)json_get_bool(o, "archived", &r->archived);
	(void)json_get_bool(o, "disabled", &r->disabled);
	if (json_get_object(o, "permissions", &may) == JSON_FOUND) {
		(void)json_get_bool(may, "push", &r->may_push);
		(void)json_get_bool(may, "admin", &r->may_admin);
	}
	rc = 0;
out:
	json_free(o);
	return rc;
}

int
read_ref(struct host_ref *ref, const char *branch, const char *json, size_t len,
    struct err *e)
{
	struct json_object *o = NULL, *object;
	const char *name;
	int rc = -1;

	memset(ref, 0, sizeof(*ref));
	if (read_object(&o, json, len, e) == -1)
		goto out;
	if ((name = text_of(o, "ref")) == NULL ||
	    strncmp(name, "refs/heads/", 11) != 0 ||
	    strcmp(name + 11, branch) != 0) {
		(void)broken(e, "ref");
		goto out;
	}
	if (json_get_object(o, "object", &object) != JSON_FOUND ||
	    !take_sha(object, ref->sha)) {
		(void)broken(e, "sha");
		goto out;
	}
	ref->found = true;
	rc = 0;
out:
	json_free(o);
	return rc;
}

/* For a browser, so nothing that runs in one: neither scheme nor quotes. */
static bool
take_url(struct json_object *o, char out[HOST_PULL_URL_MAX + 1])
{
	if (!take(o, "html_url", out, HOST_PULL_URL_MAX + 1) ||
	    (strncmp(out, "https://", 8) != 0 &&
		strncmp(out, "http://", 7) != 0))
		return false;
	for (const char *c = out; *c != '\0'; c++)
		if (*c <= ' ' || *c >= 0x7f || strchr("\"'<>\\", *c) != NULL)
			return false;
	return true;
}

static int
take_pull(struct json_object *o, struct host_pull *p, struct err *e)
{
	struct json_object *head;
	const char *text;

	memset(p, 0, sizeof(*p));
	if (json_get_int(o, "number", &p->number) != JSON_FOUND ||
	    p->number <= 0)
		return broken(e, "number");
	if (!take_url(o, p->url))
		return broken(e, "html_url");
	if (json_get_object(o, "head", &head) != JSON_FOUND ||
	    !take_sha(head, p->head_sha))
		return broken(e, "head");
	if ((text = text_of(o, "state")) == NULL)
		return broken(e, "state");
	if (strcmp(text, "open") == 0)
		p->state = HOST_PULL_OPEN;
	else if (text_of(o, "merged_at") != NULL)
		p->state = HOST_PULL_MERGED;
	else
		p->state = HOST_PULL_CLOSED;
	p->found = true;
	return 0;
}

int
read_pull(struct host_pull *p, const char *json, size_t len, struct err *e)
{
	struct json_object *o = NULL;
	int rc = read_object(&o, json, len, e);

	if (rc == 0)
		rc = take_pull(o, p, e);
	json_free(o);
	return rc;
}

/* Owners are the same whatever their case; branches are not. */
static bool
is_wished(struct json_object *o, const char *owner,
    const struct host_pull_wish *w)
{
	struct json_object *head, *base;
	const char *label, *ref;
	size_t len = strlen(owner);

	return json_get_object(o, "head", &head) == JSON_FOUND &&
	    json_get_object(o, "base", &base) == JSON_FOUND &&
	    (label = text_of(head, "label")) != NULL &&
	    strncasecmp(label, owner, len) == 0 && label[len] == ':' &&
	    strcmp(label + len + 1, w->head) == 0 &&
	    (ref = text_of(base, "ref")) != NULL && strcmp(ref, w->base) == 0;
}

/* The list is the only document of ours that is no object. */
static int
read_list(struct json_object **list, struct json_object **holder,
    const char *json, size_t len, struct err *e)
{
	struct buf b = BUF(len + 16);
	int rc = -1;

	buf_puts(&b, "{\"list\":");
	buf_add(&b, json, len);
	buf_putc(&b, '}');
	if (!buf_ok(&b))
		(void)err_set(e, ERR_RETRY, "out of memory");
	else if (read_object(holder, b.data, b.len, e) == 0)
		rc = json_get_array(*holder, "list", list) == JSON_FOUND
		    ? 0
		    : broken(e, "list");
	buf_clear(&b);
	return rc;
}

int
read_pulls(struct host_pull *p, const char *owner,
    const struct host_pull_wish *w, const char *json, size_t len, struct err *e)
{
	struct json_object *holder = NULL, *list = NULL, *o;
	struct host_pull one;
	int rc = -1;

	memset(p, 0, sizeof(*p));
	if (read_list(&list, &holder, json, len, e) == -1)
		goto out;
	for (size_t i = 0; i < json_array_size(list); i++) {
		o = json_array_object(list, i);
		if (o == NULL || !is_wished(o, owner, w))
			continue;
		if (take_pull(o, &one, e) == -1)
			goto out;
		if (!p->found || one.state == HOST_PULL_OPEN)
			*p = one;
		if (p->state == HOST_PULL_OPEN)
			break;
	}
	rc = 0;
out:
	json_free(holder);
	return rc;
}
