#include "auth/jwt_signature.h"

#include <errno.h>
#include <jwt.h>
#include <limits.h>

/* clang-format off */
static const struct {
	const char *name;
	jwt_alg_t alg;
} known[JWT_BY_N] = {
	[JWT_BY_HS256] = { "HS256", JWT_ALG_HS256 },
	[JWT_BY_RS256] = { "RS256", JWT_ALG_RS256 },
	[JWT_BY_ES256] = { "ES256", JWT_ALG_ES256 },
};
/* clang-format on */

const char *
jwt_signer_name(enum jwt_by by)
{
	return known[by].name;
}

/*
 * The only caller of jwt_decode() in the tree. An empty key would be permission
 * to skip the signature (J1), and success alone means nothing (J2): the
 * algorithm that was really used must be the signer's.
 */
int
jwt_check_signature(const struct jwt_text *token,
    const struct jwt_signer *signer, struct err *e)
{
	struct buf text = BUF(JWT_TOKEN_MAX);
	jwt_t *jwt = NULL;
	int failed, rc = -1;

	if (signer->key == NULL || signer->len < JWT_SECRET_MIN ||
	    signer->len > INT_MAX || signer->by >= JWT_BY_N)
		return err_set(e, ERR_BROKEN, "no key to check a token with");
	buf_add(&text, token->text, token->len);
	if (!buf_ok(&text)) {
		err_set(e, ERR_RETRY, "cannot check a token: out of memory");
		goto out;
	}
	failed = jwt_decode(&jwt, text.data, (const unsigned char *)signer->key,
	    (int)signer->len);
	if (failed == ENOMEM) {
		err_set(e, ERR_RETRY, "cannot check a token: out of memory");
		goto out;
	}
	if (failed != 0 || jwt_get_alg(jwt) != known[signer->by].alg) {
		err_set(e, ERR_UNKNOWN, "Signature verification failed");
		goto out;
	}
	rc = 0;
out:
	jwt_free(jwt);
	buf_wipe(&text);
	return rc;
}
