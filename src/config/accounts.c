#include "config/accounts.h"

#include <stdio.h>
#include <string.h>

#define SECRET_MIN 32 /* of HS256 (J9) */
#define TEST_SECRET_MIN 16

static const struct {
	const char *name;
	enum auth_way way;
} ways[] = {
	{ "password", WAY_PASSWORD },
	{ "session", WAY_SESSION },
	{ "bearer", WAY_BEARER },
	{ "proxy", WAY_PROXY },
	{ "open", WAY_OPEN },
};

/* The bit of a name of this length; 0 when there is no such way. */
static unsigned int
way_of(const char *name, size_t len)
{
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++)
		if (strlen(ways[i].name) == len &&
		    memcmp(ways[i].name, name, len) == 0)
			return ways[i].way;
	return 0;
}

static int
read_ways(struct config *c, struct err *e)
{
	const char *p = c->auth_ways;

	c->ways = 0;
	for (;;) {
		size_t len = strcspn(p, ",");
		unsigned int way = way_of(p, len);

		if (way == 0)
			return err_set(e, ERR_INVALID,
			    "AUTH_WAYS: \"%.*s\" is none of password, session, "
			    "bearer, proxy, open",
			    (int)len, p);
		c->ways |= way;
		if (p[len] == '\0')
			return 0;
		p += len + 1;
	}
}

/* An origin as a browser sends it: scheme and host, nothing behind. */
static bool
origin_valid(const char *origin, size_t len)
{
	const char *host = memmem(origin, len, "://", 3);

	return (strncmp(origin, "https://", 8) == 0 ||
		   strncmp(origin, "http://", 7) == 0) &&
	    host != NULL && (size_t)(host - origin) + 3 < len &&
	    memchr(host + 3, '/', len - (size_t)(host + 3 - origin)) == NULL &&
	    memchr(origin, '*', len) == NULL &&
	    memchr(origin, ' ', len) == NULL;
}

static int
check_origins(const struct config *c, struct err *e)
{
	const char *p = c->cors_origins;

	while (*p != '\0') {
		size_t len = strcspn(p, ",");

		/* The header that repeats it has to hold it. */
		if (!origin_valid(p, len) || len > 120)
			return err_set(e, ERR_INVALID,
			    "CORS_ORIGINS: \"%.*s\" is no origin such as "
			    "https://example.org",
			    (int)len, p);
		p += len;
		if (*p == ',')
			p++;
	}
	return 0;
}

bool
config_origin_listed(const struct config *c, const char *origin)
{
	const char *p = c->cors_origins;
	size_t want = strlen(origin);

	while (want > 0 && *p != '\0') {
		size_t len = strcspn(p, ",");

		if (len == want && memcmp(p, origin, len) == 0)
			return true;
		p += len;
		if (*p == ',')
			p++;
	}
	return false;
}

bool
config_jwks_path(const struct config *c, char *out, size_t size)
{
	int n;

	if (c->idp_jwks_file[0] != '\0')
		n = snprintf(out, size, "%s", c->idp_jwks_file);
	else if (c->idp_jwks_url[0] != '\0')
		n = snprintf(out, size, "%s/jwks.json", c->state_dir);
	else
		return false;
	return n > 0 && (size_t)n < size;
}

/* Issuer, audience and exactly one source of keys, or nothing of it. */
static int
check_provider(const struct config *c, struct err *e)
{
	const size_t secret = strlen(c->idp_hs256_secret);
	const int sources = (secret > 0) + (c->idp_jwks_file[0] != '\0') +
	    (c->idp_jwks_url[0] != '\0');

	if (c->idp_issuer[0] == '\0' && c->idp_audience[0] == '\0' &&
	    sources == 0)
		return 0;
	if (c->idp_issuer[0] == '\0' || c->idp_audience[0] == '\0' ||
	    sources != 1)
		return err_set(e, ERR_INVALID,
		    "an identity provider needs IDP_ISSUER, IDP_AUDIENCE and "
		    "one of IDP_HS256_SECRET, IDP_JWKS_FILE, IDP_JWKS_URL");
	if (secret > 0 && secret < SECRET_MIN)
		return err_set(e, ERR_INVALID,
		    "IDP_HS256_SECRET must have at least %d bytes", SECRET_MIN);
	if (secret > 0 && strcmp(c->idp_hs256_secret, c->jwt_secret) == 0)
		return err_set(e, ERR_INVALID,
		    "IDP_HS256_SECRET must differ from JWT_SECRET: whoever "
		    "knows it could make tokens for everybody");
	if (c->idp_jwks_url[0] != '\0' &&
	    strncmp(c->idp_jwks_url, "https://", 8) != 0)
		return err_set(e, ERR_INVALID,
		    "IDP_JWKS_URL must begin with https://");
	return 0;
}

static int
check_test_users(const struct config *c, struct err *e)
{
	if (c->test_users && strcmp(c->environment, "development") != 0)
		return err_set(e, ERR_INVALID,
		    "TEST_USERS=yes needs ENVIRONMENT=development");
	if (c->test_users_secret[0] != '\0' &&
	    strlen(c->test_users_secret) < TEST_SECRET_MIN)
		return err_set(e, ERR_INVALID,
		    "TEST_USERS_SECRET must have at least %d bytes",
		    TEST_SECRET_MIN);
	return 0;
}

int
config_check_accounts(struct config *c, struct err *e)
{
	if (read_ways(c, e) == -1 || check_origins(c, e) == -1 ||
	    check_provider(c, e) == -1 || check_test_users(c, e) == -1)
		return -1;
	return 0;
}
