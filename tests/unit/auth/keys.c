#include "keys.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <string.h>

#include "util/encode.h"

EVP_PKEY *
key_rsa(unsigned int bits)
{
	EVP_PKEY *key = EVP_RSA_gen(bits);

	assert_non_null(key);
	return key;
}

EVP_PKEY *
key_ec(const char *curve)
{
	EVP_PKEY *key = EVP_EC_gen(curve);

	assert_non_null(key);
	return key;
}

void
key_free(EVP_PKEY *key)
{
	EVP_PKEY_free(key);
}

static void
add_number(struct buf *out, const char *name, const BIGNUM *n, size_t width)
{
	unsigned char bytes[2048];
	size_t len = width != 0 ? width : (size_t)BN_num_bytes(n);

	assert_true(len <= sizeof(bytes));
	assert_int_equal(BN_bn2binpad(n, bytes, (int)len), (int)len);
	buf_addf(out, ",\"%s\":\"", name);
	encode_base64url(out, bytes, len);
	buf_putc(out, '"');
}

static void
add_param(struct buf *out, EVP_PKEY *key, const char *name, const char *param)
{
	BIGNUM *n = NULL;
	bool ec = EVP_PKEY_get_base_id(key) == EVP_PKEY_EC;
	size_t width = ec ? (size_t)(EVP_PKEY_get_bits(key) + 7) / 8 : 0;

	assert_int_equal(EVP_PKEY_get_bn_param(key, param, &n), 1);
	add_number(out, name, n, width);
	BN_free(n);
}

void
key_jwk(struct buf *out, EVP_PKEY *key, const char *extra)
{
	if (EVP_PKEY_get_base_id(key) == EVP_PKEY_EC) {
		buf_addf(out, "{\"kty\":\"EC\",\"crv\":\"P-%d\"",
		    EVP_PKEY_get_bits(key));
		add_param(out, key, "x", OSSL_PKEY_PARAM_EC_PUB_X);
		add_param(out, key, "y", OSSL_PKEY_PARAM_EC_PUB_Y);
	} else {
		buf_puts(out, "{\"kty\":\"RSA\"");
		add_param(out, key, "n", OSSL_PKEY_PARAM_RSA_N);
		add_param(out, key, "e", OSSL_PKEY_PARAM_RSA_E);
	}
	buf_addf(out, "%s}", extra);
}

/* r and s of a DER signature, side by side. */
static size_t
flatten(unsigned char *signature, size_t len, size_t width)
{
	const unsigned char *p = signature;
	ECDSA_SIG *s = d2i_ECDSA_SIG(NULL, &p, (long)len);

	assert_non_null(s);
	BN_bn2binpad(ECDSA_SIG_get0_r(s), signature, (int)width);
	BN_bn2binpad(ECDSA_SIG_get0_s(s), signature + width, (int)width);
	ECDSA_SIG_free(s);
	return 2 * width;
}

void
key_sign(struct buf *out, EVP_PKEY *key, const char *header,
    const char *payload)
{
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	unsigned char signature[1024];
	size_t len = sizeof(signature);

	buf_reset(out);
	encode_base64url(out, header, strlen(header));
	buf_putc(out, '.');
	encode_base64url(out, payload, strlen(payload));
	assert_int_equal(EVP_DigestSignInit(c, NULL, EVP_sha256(), NULL, key),
	    1);
	assert_int_equal(EVP_DigestSign(c, signature, &len,
			     (unsigned char *)out->data, out->len),
	    1);
	if (EVP_PKEY_get_base_id(key) == EVP_PKEY_EC)
		len = flatten(signature, len,
		    (size_t)(EVP_PKEY_get_bits(key) + 7) / 8);
	buf_putc(out, '.');
	encode_base64url(out, signature, len);
	EVP_MD_CTX_free(c);
}

void
key_pem(struct buf *out, EVP_PKEY *key)
{
	BIO *mem = BIO_new(BIO_s_mem());
	char *text;
	long len;

	assert_int_equal(PEM_write_bio_PUBKEY(mem, key), 1);
	len = BIO_get_mem_data(mem, &text);
	buf_add(out, text, (size_t)len);
	BIO_free(mem);
}
