#include "auth/jwt_read.h"

#include <stdbool.h>
#include <string.h>

#include "util/json.h"

#define TYP "JWT"

enum segment {
	HEADER,
	PAYLOAD,
	SIGNATURE,
	SEGMENT_N
};

/* clang-format off */
static const char *const segment_names[SEGMENT_N] = {
	[HEADER] = "header", [PAYLOAD] = "payload", [SIGNATURE] = "crypto",
};
static const char *const type_names[JWT_TYPE_N] = {
	[JWT_ACCESS] = "access", [JWT_REFRESH] = "refresh",
};
/* Header members that change how a token is to be read, or that bring a key
 * of their own. A reader that does not know them must refuse (J5). */
static const char *const foreign_members[] = {
	"crit", "b64", "zip", "jku", "x5u", "jwk", "x5c",
};
/* clang-format on */

const char *
jwt_type_name(enum jwt_type type)
{
	return type_names[type];
}

/* Exactly two dots: a third would be a second spelling of something (J8). */
static int
split(struct jwt_text part[SEGMENT_N], const struct jwt_text *token,
    struct err *e)
{
	const char *p = token->text, *end = token->text + token->len, *dot;
	int i;

	if (token->len > JWT_TOKEN_MAX)
		return err_set(e, ERR_UNKNOWN, "Token is too long");
	for (i = HEADER; i < SIGNATURE; i++) {
		if ((dot = memchr(p, '.', (size_t)(end - p))) == NULL)
			return err_set(e, ERR_UNKNOWN, "Not enough segments");
		part[i].text = p;
		part[i].len = (size_t)(dot - p);
		p = dot + 1;
	}
	part[SIGNATURE].text = p;
	part[SIGNATURE].len = (size_t)(end - p);
	return 0;
}

/*
 * Decodes a segment. The dot is not in the alphabet, so that a third one fails
 * here, with the signature.
 */
static int
decode(struct buf *out, const struct jwt_text *part, enum segment which,
    struct err *e)
{
	if (decode_base64url(out, part->text, part->len))
		return 0;
	return err_set(e, ERR_UNKNOWN, "Invalid %s padding",
	    segment_names[which]);
}

/*
 * Reads a decoded segment as a JSON object. The scanner's words stay out of
 * the text: they may quote bytes of the token.
 */
static int
read_object(struct json_object **out, const struct buf *b, enum segment which,
    struct err *e)
{
	const char *name = segment_names[which];
	struct json_object *o = NULL;

	if (json_read(&o, b->data == NULL ? "" : b->data, b->len, e) != 0)
		return e->kind != ERR_INVALID
		    ? -1
		    : err_set(e, ERR_UNKNOWN,
			  "Invalid %s string: not strict JSON", name);
	if (!json_is_object(o)) {
		json_free(o);
		return err_set(e, ERR_UNKNOWN,
		    "Invalid %s string: must be a json object", name);
	}
	*out = o;
	return 0;
}

static bool
is_text(const char *s, size_t len, const char *want)
{
	return len == strlen(want) && memcmp(s, want, len) == 0;
}

/* Optional, but then byte-exact: libjwt would take "jwt" as well (J4). */
static int
check_typ(struct json_object *header, struct err *e)
{
	const char *s;
	size_t len;
	enum json_got got = json_get_string(header, "typ", &s, &len);

	if (got == JSON_MISSING)
		return 0;
	if (got == JSON_FOUND && is_text(s, len, TYP))
		return 0;
	return err_set(e, ERR_UNKNOWN, "Invalid header string: typ is not JWT");
}

/* Byte-exact, for libjwt matches names without case (J3, J4). alg NULL: any,
 * the caller looks. */
static int
check_header(struct json_object *header, const char *alg, struct err *e)
{
	const size_t n = sizeof(foreign_members) / sizeof(foreign_members[0]);
	const char *s;
	size_t len, i;
	bool b;

	if (json_get_string(header, "alg", &s, &len) != JSON_FOUND ||
	    (alg != NULL && !is_text(s, len, alg)))
		return err_set(e, ERR_UNKNOWN,
		    "The specified alg value is not allowed");
	for (i = 0; i < n; i++)
		if (json_get_bool(header, foreign_members[i], &b) !=
		    JSON_MISSING)
			return err_set(e, ERR_UNKNOWN,
			    "Invalid header string: %s is not supported",
			    foreign_members[i]);
	return check_typ(header, e);
}

static int
read_header(struct json_object **header, const struct jwt_text *part,
    const char *alg, struct err *e)
{
	struct buf text = BUF(JWT_TOKEN_MAX);
	int rc = -1;

	if (decode(&text, part, HEADER, e) != 0 ||
	    read_object(header, &text, HEADER, e) != 0 ||
	    check_header(*header, alg, e) != 0)
		goto out;
	rc = 0;
out:
	buf_clear(&text);
	return rc;
}

int
jwt_read_parts(struct jwt_parts *parts, const char *alg,
    const struct jwt_text *token, struct err *e)
{
	struct buf text = BUF(JWT_TOKEN_MAX), signature = BUF(JWT_TOKEN_MAX);
	struct jwt_text part[SEGMENT_N] = { 0 };
	int rc = -1;

	memset(parts, 0, sizeof(*parts));
	if (split(part, token, e) != 0 ||
	    read_header(&parts->header, &part[HEADER], alg, e) != 0 ||
	    decode(&text, &part[PAYLOAD], PAYLOAD, e) != 0 ||
	    decode(&signature, &part[SIGNATURE], SIGNATURE, e) != 0 ||
	    read_object(&parts->payload, &text, PAYLOAD, e) != 0)
		goto out;
	parts->signature_len = signature.len;
	rc = 0;
out:
	buf_wipe(&signature);
	buf_clear(&text);
	if (rc != 0)
		jwt_parts_clear(parts);
	return rc;
}

void
jwt_parts_clear(struct jwt_parts *parts)
{
	json_free(parts->header);
	json_free(parts->payload);
	memset(parts, 0, sizeof(*parts));
}

/*
 * A claim that must be there and be an integer: a string or a fraction in exp
 * is how tokens become immortal (J6).
 */
static int
need_time(int64_t *n, struct json_object *payload, const char *name,
    const char *long_name, struct err *e)
{
	switch (json_get_int(payload, name, n)) {
	case JSON_FOUND:
		return 0;
	case JSON_MISSING:
		return err_set(e, ERR_UNKNOWN,
		    "Token is missing the \"%s\" claim", name);
	case JSON_MISTYPED:
		break;
	}
	return err_set(e, ERR_UNKNOWN, "%s claim (%s) must be an integer.",
	    long_name, name);
}

/* nbf may be missing; if it is there it counts. */
static int
check_not_before(struct json_object *payload, int64_t latest, struct err *e)
{
	int64_t nbf = 0;

	switch (json_get_int(payload, "nbf", &nbf)) {
	case JSON_MISSING:
		return 0;
	case JSON_FOUND:
		break;
	case JSON_MISTYPED:
		return err_set(e, ERR_UNKNOWN,
		    "Not Before claim (nbf) must be an integer.");
	}
	if (nbf > latest)
		return err_set(e, ERR_UNKNOWN,
		    "The token is not yet valid (nbf)");
	return 0;
}

int
jwt_read_times(struct jwt_claims *c, struct json_object *payload,
    const struct jwt_rule *rule, struct err *e)
{
	const int64_t latest = rule->now_s + rule->leeway_s;

	c->iat = rule->now_s;
	if (need_time(&c->exp, payload, "exp", "Expiration Time", e) != 0)
		return -1;
	if ((!rule->iat_optional ||
		json_get_int(payload, "iat", &c->iat) != JSON_MISSING) &&
	    need_time(&c->iat, payload, "iat", "Issued At", e) != 0)
		return -1;
	if (c->exp <= rule->now_s)
		return err_set(e, ERR_UNKNOWN, "Token has expired");
	if (c->iat > latest)
		return err_set(e, ERR_UNKNOWN,
		    "The token is not yet valid (iat)");
	if (check_not_before(payload, latest, e) != 0)
		return -1;
	/* exp is positive here, so the difference cannot overflow. */
	if (c->iat < 0 || c->exp - c->iat > JWT_LIFE_MAX_S)
		return err_set(e, ERR_UNKNOWN, "Token life is too long");
	return 0;
}

static bool
read_uuid(char out[UUID_TEXT], struct json_object *payload, const char *name)
{
	const char *s;
	size_t len;

	return json_get_string(payload, name, &s, &len) == JSON_FOUND &&
	    len == UUID_TEXT - 1 && uuid_read(out, s);
}

int
jwt_read_claims(struct jwt_claims *c, struct json_object *payload,
    const struct jwt_rule *rule, struct err *e)
{
	const char *type;
	size_t len;

	if (jwt_read_times(c, payload, rule, e) != 0)
		return -1;
	c->type = rule->type;
	if (json_get_string(payload, "type", &type, &len) != JSON_FOUND ||
	    !is_text(type, len, type_names[rule->type]))
		return err_set(e, ERR_UNKNOWN,
		    "Invalid token type. Expected %s", type_names[rule->type]);
	/* All that we issue have a jti (D7): one without it is not ours, though
	 * somebody who shares the secret has signed it. */
	if (!read_uuid(c->user_id, payload, "user_id") ||
	    !read_uuid(c->jti, payload, "jti"))
		return err_set(e, ERR_UNKNOWN, "Authentication failed");
	return 0;
}
