/*
 * e2b: lists of sandboxes, page by page (E2B protocol 2.5). The account may be
 * shared with others, and the service's filter is another's code: what
 * is in a list says itself whose it is, or is nobody's.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "exec/e2b_list.h"
#include "spool/spool.h"

#define ANSWER_MAX ((size_t)1024 * 1024)
#define PAGES_MAX 100
#define PAGE_BOXES 100
#define FILTER_MAX 200
#define METADATA_DIGITS 19

/* A page of a list on its way. */
struct page {
	struct e2b *b;
	const char *query;
	bool patient;
	char next[NET_WANTED_MAX]; /* the cursor behind it; "" at the end */
	struct e2b_box *boxes;
	size_t count;
};

/* What is shown to people, on terminals too: one bounded word. */
static void
copy_word(char *out, size_t size, struct json_object *o, const char *name)
{
	const char *s;
	size_t len, n = 0;

	out[0] = '\0';
	if (json_get_string(o, name, &s, &len) != JSON_FOUND)
		return;
	for (; n < len && n + 1 < size; n++)
		out[n] = s[n] > 0x20 && s[n] < 0x7f ? s[n] : '?';
	out[n] = '\0';
}

/* A decimal number as we write them: no sign, no leading zero. */
static bool
read_number(struct json_object *o, const char *name, int64_t most, int64_t *n)
{
	const char *s;
	size_t len;

	if (json_get_string(o, name, &s, &len) != JSON_FOUND || len == 0 ||
	    len > METADATA_DIGITS || strspn(s, "0123456789") != len ||
	    (s[0] == '0' && len > 1))
		return false;
	*n = strtoll(s, NULL, 10);
	return *n >= 0 && *n <= most;
}

static void
read_metadata(struct cloud_box *box, struct json_object *metadata,
    const char *deployment)
{
	int64_t attempt = 0;

	copy_word(box->deployment, sizeof(box->deployment), metadata,
	    "deployment");
	box->ours = strcmp(box->deployment, deployment) == 0;
	box->marked =
	    read_number(metadata, "task", INT64_MAX - 1, &box->task_id) &&
	    read_number(metadata, "attempt", UINT32_MAX, &attempt);
	box->attempt = (unsigned int)attempt;
}

/* False: it is none of a taskmill's. */
static bool
read_box(struct e2b_box *out, struct json_object *o, const char *deployment)
{
	struct json_object *metadata;
	struct cloud_box *box = &out->box;
	char app[16], state[16];

	memset(out, 0, sizeof(*out));
	copy_word(box->id, sizeof(box->id), o, "sandboxID");
	if (!cloud_is_id(box->id) ||
	    json_get_object(o, "metadata", &metadata) != JSON_FOUND)
		return false;
	copy_word(app, sizeof(app), metadata, "app");
	if (strcmp(app, E2B_APP) != 0)
		return false;
	read_metadata(box, metadata, deployment);
	copy_word(out->nonce, sizeof(out->nonce), metadata, "nonce");
	copy_word(state, sizeof(state), o, "state");
	box->paused = strcmp(state, "paused") == 0;
	copy_word(box->template_id, sizeof(box->template_id), o, "alias");
	if (box->template_id[0] == '\0')
		copy_word(box->template_id, sizeof(box->template_id), o,
		    "templateID");
	copy_word(box->started, sizeof(box->started), o, "startedAt");
	copy_word(box->ends, sizeof(box->ends), o, "endAt");
	return true;
}

static int
take_page(struct page *p, const struct net_response *rs, struct err *e)
{
	struct json_object *o = NULL;
	size_t n;

	if (rs->body.len == 0 ||
	    json_read(&o, rs->body.data, rs->body.len, e) == -1)
		return e2b_fail(p->b, E2B_PROTOCOL, "a list that is no JSON",
		    e);
	n = json_array_size(o);
	p->count = 0;
	for (size_t i = 0; i < n && p->count < PAGE_BOXES; i++) {
		struct json_object *one = json_array_object(o, i);

		if (one != NULL &&
		    read_box(&p->boxes[p->count], one, p->b->set->deployment))
			p->count++;
	}
	json_free(o);
	if (n > PAGE_BOXES)
		return e2b_fail(p->b, E2B_PROTOCOL, "a page that is too long",
		    e);
	return 0;
}

/* A cursor as it may stand in a URL: base64url and a little more. */
static bool
is_cursor(const char *s)
{
	return s[strspn(s,
		   "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
		   "0123456789-_=.~%")] == '\0';
}

static int
read_page(struct page *p, struct err *e)
{
	char path[NET_WANTED_MAX + FILTER_MAX + 160];
	const struct e2b_request rq = { .face = E2B_CONTROL,
		.method = "GET",
		.path = path,
		.want = "X-Next-Token",
		.max_body = ANSWER_MAX };
	struct net_response rs;
	int rc;

	(void)snprintf(path, sizeof(path),
	    "/v2/sandboxes?metadata=app%%3D" E2B_APP "%s"
	    "&state=running,paused&limit=%d%s%s",
	    p->query, PAGE_BOXES,
	    p->next[0] == '\0' ? "" : "&nextToken=", p->next);
	rc = p->patient ? e2b_ask_again(p->b, &rq, &rs, e)
			: e2b_ask(p->b, &rq, &rs, e);
	if (rc == 0) {
		(void)snprintf(p->next, sizeof(p->next), "%s",
		    rs.has_wanted[0] ? rs.wanted[0] : "");
		rc = take_page(p, &rs, e);
	}
	net_response_clear(&rs);
	if (rc == 0 && !is_cursor(p->next))
		rc = e2b_fail(p->b, E2B_PROTOCOL, "a cursor", e);
	return rc;
}

/*
 * Letters and digits only, so that being decoded three times changes nothing
 * (2.5): " and key=value" for each.
 */
static int
write_query(char query[FILTER_MAX], const struct e2b_filter *f, struct err *e)
{
	static const char *const plain = "abcdefghijklmnopqrstuvwxyz"
					 "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
					 "0123456789_.-";
	const char *const pairs[][2] = { { "deployment", f->deployment },
		{ "nonce", f->nonce }, { "task", f->task } };
	size_t used = 0;

	query[0] = '\0';
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		const char *value = pairs[i][1];

		if (value == NULL)
			continue;
		if (value[0] == '\0' || value[strspn(value, plain)] != '\0' ||
		    used + strlen(value) + 24 > FILTER_MAX)
			return err_set(e, ERR_INVALID,
			    "a filter that cannot be sent");
		used += (size_t)snprintf(query + used, FILTER_MAX - used,
		    "%%26%s%%3D%s", pairs[i][0], value);
	}
	return 0;
}

int
e2b_list(struct e2b *b, const struct e2b_filter *f, e2b_box_fn *fn, void *ctx,
    struct err *e)
{
	char query[FILTER_MAX];
	struct page p = { .b = b, .query = query, .patient = f->patient };
	int rc = -1;

	if (write_query(query, f, e) == -1)
		return -1;
	if ((p.boxes = calloc(PAGE_BOXES, sizeof(*p.boxes))) == NULL)
		return err_set(e, ERR_RETRY, "out of memory");
	for (int i = 0;; i++) {
		if (i == PAGES_MAX) {
			e2b_fail(b, E2B_PROTOCOL, "a list without an end", e);
			goto out;
		}
		if (read_page(&p, e) == -1)
			goto out;
		for (size_t k = 0; k < p.count; k++)
			if (fn(ctx, &p.boxes[k], e) == -1)
				goto out;
		if (p.next[0] == '\0')
			break;
	}
	rc = 0;
out:
	free(p.boxes);
	return rc;
}

struct finding {
	const char *nonce;
	char id[E2B_ID_MAX];
};

static int
find_box(void *ctx, const struct e2b_box *box, struct err *e)
{
	struct finding *f = ctx;

	(void)e;
	if (strcmp(box->nonce, f->nonce) == 0)
		memcpy(f->id, box->box.id, sizeof(f->id));
	return 0;
}

int
e2b_find(struct e2b *b, const char *nonce, struct err *e)
{
	struct finding f = { .nonce = nonce };
	const struct e2b_filter filter = { .nonce = nonce };
	bool paused;

	if (e2b_list(b, &filter, find_box, &f, e) == -1)
		return -1;
	if (f.id[0] == '\0')
		return err_set(e, ERR_ABSENT, "no sandbox of this attempt");
	(void)snprintf(b->id, sizeof(b->id), "%s", f.id);
	return e2b_look(b, &paused, e); /* lists have no token */
}

bool
cloud_is_id(const char *id)
{
	size_t n = strspn(id, "abcdefghijklmnopqrstuvwxyz0123456789-");

	return n > 0 && n < CLOUD_ID_MAX && id[n] == '\0';
}
