#include "api/provider.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "auth/idp.h"
#include "config/config.h"
#include "store/account.h"
#include "store/user.h"
#include "util/clock.h"
#include "util/file.h"
#include "util/log.h"

#define POKE_EVERY_MS 30000 /* a stranger's tokens must not flood anybody */
#define PATH_BYTES 4096

struct provider {
	struct idp idp;
	struct jwks *keys;
	char path[PATH_BYTES]; /* "" for a secret */
	struct stat seen;      /* of the file that keys came from */
	struct poke *poke;     /* NULL: keys are not fetched */
	int64_t poke_after_ms;
};

static void
set_up(struct provider *p, const struct config *cfg)
{
	p->idp.issuer = cfg->idp_issuer;
	p->idp.audience = cfg->idp_audience;
	p->idp.leeway_s = (int)cfg->jwt_leeway_s;
	if (cfg->idp_hs256_secret[0] != '\0') {
		p->idp.secret = cfg->idp_hs256_secret;
		p->idp.secret_len = strlen(cfg->idp_hs256_secret);
	}
}

static bool
same_file(const struct stat *a, const struct stat *b)
{
	return a->st_ino == b->st_ino && a->st_dev == b->st_dev &&
	    a->st_size == b->st_size &&
	    a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
	    a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/*
 * Replaces the keys; a file that is no key set leaves those that there are.
 * For a request, or "-" when the worker begins.
 */
static void
read_again(struct provider *p, const char *request_id)
{
	struct buf text = BUF(JWKS_TEXT_MAX);
	struct jwks *fresh = NULL;
	struct err e = { 0 };

	if (file_read(AT_FDCWD, p->path, &text, &e) == 0 &&
	    jwks_read(&fresh, text.data != NULL ? text.data : "", text.len,
		&e) == 0) {
		jwks_free(p->keys);
		p->keys = fresh;
		p->idp.keys = fresh;
	} else
		log_err(LOG_WARN, &e, "provider-keys id=%s path=" LOG_STR,
		    request_id, log_str(p->path));
	buf_clear(&text);
}

/* Looks whether the file has changed since. */
static void
look(struct provider *p, const char *request_id)
{
	struct stat st;

	if (p->path[0] == '\0')
		return;
	if (stat(p->path, &st) == -1)
		memset(&st, 0, sizeof(st));
	if (same_file(&st, &p->seen))
		return;
	p->seen = st;
	if (st.st_ino != 0)
		read_again(p, request_id);
}

int
provider_new(struct provider **out, const struct config *cfg, struct err *e)
{
	struct provider *p;
	int rc = -1;

	*out = NULL;
	if (cfg->idp_issuer[0] == '\0')
		return 0;
	if ((p = calloc(1, sizeof(*p))) == NULL)
		return err_sys(e, ERR_RETRY, "provider");
	set_up(p, cfg);
	if (p->idp.secret == NULL &&
	    !config_jwks_path(cfg, p->path, sizeof(p->path))) {
		err_set(e, ERR_INVALID, "no place for a key set");
		goto out;
	}
	if (cfg->idp_jwks_url[0] != '\0' &&
	    poke_open_at(&p->poke, cfg->state_dir, POKE_JWKS, e) == -1)
		goto out;
	look(p, "-");
	*out = p;
	p = NULL;
	rc = 0;
out:
	provider_free(p);
	return rc;
}

void
provider_free(struct provider *p)
{
	if (p == NULL)
		return;
	poke_close(p->poke);
	jwks_free(p->keys);
	free(p);
}

static void
ask_for_keys(struct provider *p)
{
	int64_t now_ms = clock_mono_ms();

	if (p->poke == NULL || now_ms < p->poke_after_ms)
		return;
	p->poke_after_ms = now_ms + POKE_EVERY_MS;
	poke_send(p->poke);
}

/* A name that was linked, or else a user's own id. */
static int
find_user(struct call *c, const char *subject, struct err *e)
{
	const char *issuer = c->api->cfg->idp_issuer;

	if (identity_find(c->api->db, issuer, subject, c->user_id, e) == 0)
		return 0;
	if (e->kind != ERR_ABSENT)
		return -1;
	if (!uuid_read(c->user_id, subject))
		return err_set(e, ERR_UNKNOWN, "User not found");
	return user_check(c->api->db, c->user_id, e);
}

int
provider_user(struct call *c, const struct jwt_text *token, struct err *e)
{
	struct provider *p = c->api->provider;
	struct idp_claims claims;
	bool new_key;

	look(p, c->rq->request_id);
	if (idp_verify(&claims, &p->idp, token, &new_key, e) == -1) {
		if (new_key)
			ask_for_keys(p);
		return -1;
	}
	c->sign_in.ends_s = claims.exp;
	return find_user(c, claims.subject, e);
}
