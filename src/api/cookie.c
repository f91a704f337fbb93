#include <stdio.h>
#include <string.h>

#include "api/account.h"
#include "auth/api_token.h"
#include "config/config.h"

/*
 * __Host-: browsers take it from this host alone, over TLS and for all paths,
 * so that no neighbour's page can put one in its place. Strict: it never comes
 * with a request that another site has begun.
 */
#define NAME "__Host-taskmill"
#define DEVICE "__Host-taskmill-device"
#define ATTRIBUTES "; Path=/; HttpOnly; Secure; SameSite=Strict"
#define DAY_S 86400LL
#define DEVICE_LIFE_S (30 * DAY_S) /* as long as it is known (store/rate.h) */

/* The value of a cookie, once; NULL: none, or more than one. */
static const char *
find(const char *cookies, const char *name, size_t *len)
{
	const size_t name_len = strlen(name);
	const char *found = NULL;

	for (const char *p = cookies; *p != '\0';) {
		size_t n = strcspn(p, ";");

		if (n > name_len && p[name_len] == '=' &&
		    strncmp(p, name, name_len) == 0) {
			if (found != NULL)
				return NULL;
			found = p + name_len + 1;
			*len = n - name_len - 1;
		}
		p += n;
		p += strspn(p, "; ");
	}
	return found;
}

int
cookie_user(const struct call *c, char user_id[UUID_TEXT], struct sign_in *s,
    struct err *e)
{
	uint8_t hash[SHA256_BYTES];
	const char *value;
	size_t len;

	if (!call_way(c, WAY_SESSION))
		return 0;
	value = find(c->rq->cookie, NAME, &len);
	if (value == NULL || !session_id_hash(hash, value, len))
		return 0;
	if (session_find(c->api->db, hash, user_id, s, e) == 0)
		return 1;
	return e->kind == ERR_ABSENT ? 0 : -1;
}

int
cookie_give(struct call *c, struct err *e)
{
	int64_t life_s = c->api->cfg->jwt_refresh_days * DAY_S;
	uint8_t hash[SHA256_BYTES];
	char id[SESSION_ID_TEXT], line[128];
	int rc = -1;

	if (!call_way(c, WAY_SESSION))
		return 0;
	session_id_make(id, hash);
	if (sign_in_life(c, &life_s, e) == -1 ||
	    session_add(c->api->db, hash, c->user_id, life_s, &c->sign_in, e) ==
		-1)
		goto out;
	snprintf(line, sizeof(line), NAME "=%s; Max-Age=%lld" ATTRIBUTES, id,
	    (long long)life_s);
	http_response_header(c->rs, "Set-Cookie", line);
	rc = 0;
out:
	explicit_bzero(id, sizeof(id));
	explicit_bzero(line, sizeof(line));
	return rc;
}

void
cookie_take(struct call *c)
{
	http_response_header(c->rs, "Set-Cookie",
	    NAME "=; Max-Age=0" ATTRIBUTES);
}

bool
device_read(const struct call *c, char id[SESSION_ID_TEXT])
{
	uint8_t hash[SHA256_BYTES];
	const char *value;
	size_t len;

	id[0] = '\0';
	value = find(c->rq->cookie, DEVICE, &len);
	if (value == NULL || !session_id_hash(hash, value, len))
		return false;
	(void)snprintf(id, SESSION_ID_TEXT, "%.*s", (int)len, value);
	return true;
}

void
device_give(struct call *c, char id[SESSION_ID_TEXT])
{
	uint8_t hash[SHA256_BYTES];
	char line[160];

	if (!device_read(c, id))
		session_id_make(id, hash);
	(void)snprintf(line, sizeof(line),
	    DEVICE "=%s; Max-Age=%lld" ATTRIBUTES, id, DEVICE_LIFE_S);
	http_response_header(c->rs, "Set-Cookie", line);
	explicit_bzero(line, sizeof(line));
}
