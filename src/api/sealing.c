#include "api/sealing.h"

#include <stdio.h>
#include <string.h>

/* The public key, read by the first call that needs it. */
static int
load_key(struct api *a, struct err *e)
{
	char dir[4096];
	int n;

	if (a->seal.key_id[0] != '\0')
		return 0;
	n = snprintf(dir, sizeof(dir), "%s/keys", a->cfg->state_dir);
	if (n < 0 || (size_t)n >= sizeof(dir))
		return err_set(e, ERR_BROKEN, "STATE_DIR is too long a path");
	if (seal_public_load(&a->seal, dir, e) == -1) {
		/* No key is the admin's business and not the client's. */
		e->kind = ERR_BROKEN;
		return err_wrap(e, "sealing key");
	}
	return 0;
}

int
sealing_make(struct sealing *s, struct call *c, const char *secret,
    struct err *e)
{
	memset(s, 0, sizeof(*s));
	s->sealed.max = SEAL_SEALED_MAX;
	if (load_key(c->api, e) == -1)
		return -1;
	s->key_id = c->api->seal.key_id;
	memcpy(s->owner.user_id, c->user_id, sizeof(s->owner.user_id));
	random_fill(s->owner.nonce, sizeof(s->owner.nonce));
	return seal(&s->sealed, &c->api->seal, &s->owner, secret, e);
}

void
sealing_clear(struct sealing *s)
{
	buf_clear(&s->sealed);
}
