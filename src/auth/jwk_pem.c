#include "auth/jwk_pem.h"

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <string.h>

#include "util/encode.h"
#include "util/json.h"

#define RSA_BITS_MIN 2048 /* J9 */
#define RSA_BITS_MAX 8192 /* beyond, a signature costs too much */
#define EXPONENT_BYTES_MAX 4
#define P256 "P-256"
#define P256_GROUP "prime256v1"
#define P256_BYTES 32
#define POINT_BYTES (1 + 2 * P256_BYTES)

/* Appends the bytes of a base64url member. False: there are none such. */
static bool
read_bytes(struct buf *out, struct json_object *key, const char *name)
{
	const char *s;
	size_t len;

	return json_get_string(key, name, &s, &len) == JSON_FOUND && len > 0 &&
	    decode_base64url(out, s, len);
}

/* The key that the parameters describe; NULL when they describe none. */
static EVP_PKEY *
make_key(const char *type, OSSL_PARAM_BLD *builder)
{
	OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(builder);
	EVP_PKEY_CTX *c = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
	EVP_PKEY *key = NULL;

	if (params == NULL || c == NULL || EVP_PKEY_fromdata_init(c) <= 0 ||
	    EVP_PKEY_fromdata(c, &key, EVP_PKEY_PUBLIC_KEY, params) <= 0)
		key = NULL;
	EVP_PKEY_CTX_free(c);
	OSSL_PARAM_free(params);
	return key;
}

/* A public exponent: odd, at least 3, of a size that verifies quickly. */
static bool
exponent_good(const struct buf *e)
{
	const unsigned char *p = (const unsigned char *)e->data;

	if (e->len == 0 || e->len > EXPONENT_BYTES_MAX)
		return false;
	return (p[e->len - 1] & 1) == 1 && (e->len > 1 || p[0] >= 3);
}

static EVP_PKEY *
rsa_key(struct json_object *jwk)
{
	struct buf n = BUF(RSA_BITS_MAX / 8 + 1), e = BUF(EXPONENT_BYTES_MAX);
	BIGNUM *bn = NULL, *be = NULL;
	OSSL_PARAM_BLD *b = NULL;
	EVP_PKEY *key = NULL;
	int bits;

	if (!read_bytes(&n, jwk, "n") || !read_bytes(&e, jwk, "e") ||
	    !exponent_good(&e))
		goto out;
	bn = BN_bin2bn((unsigned char *)n.data, (int)n.len, NULL);
	be = BN_bin2bn((unsigned char *)e.data, (int)e.len, NULL);
	b = OSSL_PARAM_BLD_new();
	if (bn == NULL || be == NULL || b == NULL)
		goto out;
	bits = BN_num_bits(bn);
	if (bits < RSA_BITS_MIN || bits > RSA_BITS_MAX || !BN_is_odd(bn))
		goto out;
	if (OSSL_PARAM_BLD_push_BN(b, OSSL_PKEY_PARAM_RSA_N, bn) == 1 &&
	    OSSL_PARAM_BLD_push_BN(b, OSSL_PKEY_PARAM_RSA_E, be) == 1)
		key = make_key("RSA", b);
out:
	OSSL_PARAM_BLD_free(b);
	BN_free(bn);
	BN_free(be);
	buf_clear(&n);
	buf_clear(&e);
	return key;
}

/* x and y as one uncompressed point. */
static bool
read_point(unsigned char point[POINT_BYTES], struct json_object *jwk)
{
	struct buf xy = BUF(2 * P256_BYTES);
	const char *crv;
	size_t len;
	bool good;

	if (json_get_string(jwk, "crv", &crv, &len) != JSON_FOUND ||
	    strcmp(crv, P256) != 0)
		return false;
	good = read_bytes(&xy, jwk, "x") && xy.len == P256_BYTES &&
	    read_bytes(&xy, jwk, "y") && xy.len == 2 * P256_BYTES;
	if (good) {
		point[0] = POINT_CONVERSION_UNCOMPRESSED;
		memcpy(point + 1, xy.data, xy.len);
	}
	buf_clear(&xy);
	return good;
}

static bool
on_curve(EVP_PKEY *key)
{
	EVP_PKEY_CTX *c = EVP_PKEY_CTX_new(key, NULL);
	bool good = c != NULL && EVP_PKEY_public_check(c) == 1;

	EVP_PKEY_CTX_free(c);
	return good;
}

static EVP_PKEY *
ec_key(struct json_object *jwk)
{
	unsigned char point[POINT_BYTES];
	OSSL_PARAM_BLD *b = NULL;
	EVP_PKEY *key = NULL;

	if (!read_point(point, jwk) || (b = OSSL_PARAM_BLD_new()) == NULL)
		return NULL;
	if (OSSL_PARAM_BLD_push_utf8_string(b, OSSL_PKEY_PARAM_GROUP_NAME,
		P256_GROUP, 0) == 1 &&
	    OSSL_PARAM_BLD_push_octet_string(b, OSSL_PKEY_PARAM_PUB_KEY, point,
		sizeof(point)) == 1)
		key = make_key("EC", b);
	OSSL_PARAM_BLD_free(b);
	if (key != NULL && !on_curve(key)) {
		EVP_PKEY_free(key);
		key = NULL;
	}
	return key;
}

static int
write_pem(struct buf *pem, EVP_PKEY *key, struct err *e)
{
	BIO *mem = BIO_new(BIO_s_mem());
	char *text = NULL;
	long len;
	int rc = -1;

	if (mem == NULL || PEM_write_bio_PUBKEY(mem, key) != 1 ||
	    (len = BIO_get_mem_data(mem, &text)) <= 0) {
		err_set(e, ERR_RETRY, "public key: out of memory");
		goto out;
	}
	buf_add(pem, text, (size_t)len);
	if (!buf_ok(pem)) {
		err_set(e, ERR_RETRY, "public key: out of memory");
		goto out;
	}
	rc = 1;
out:
	BIO_free(mem);
	return rc;
}

int
jwk_to_pem(struct buf *pem, struct json_object *jwk, enum jwt_by by,
    struct err *e)
{
	EVP_PKEY *key = by == JWT_BY_RS256 ? rsa_key(jwk) : ec_key(jwk);
	int rc = 0;

	if (key != NULL)
		rc = write_pem(pem, key, e);
	EVP_PKEY_free(key);
	/* What OpenSSL noted down about bad keys is of no use to anybody. */
	ERR_clear_error();
	return rc;
}
