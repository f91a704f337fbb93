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
#define FILTER_MAX ((size_t)2048)
#define PATH_MAX_BYTES ((size_t)4096)
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

int
e2b_boxes_read(struct e2b_box boxes[E2B_PAGE_BOXES], size_t *count,
    const char *text, size_t len, const char *deployment, struct err *e)
{
	struct json_object *o = NULL;
	size_t n;

	*count = 0;
	/* What is no list must not look like one with nothing in it. */
	if (len == 0 || json_read(&o, text, len, e) == -1 || o == NULL ||
	    !json_is_array(o)) {
		json_free(o);
		return err_set(e, ERR_BROKEN, "a list that is none");
	}
	n = json_array_size(o);
	for (size_t i = 0; i < n && *count < E2B_PAGE_BOXES; i++) {
		struct json_object *one = json_array_object(o, i);

		if (one != NULL && read_box(&boxes[*count], one, deployment))
			(*count)++;
	}
	json_free(o);
	return n > E2B_PAGE_BOXES
	    ? err_set(e, ERR_BROKEN, "a page that is too long")
	    : 0;
}

/* As RFC 3986 has it, and that times times: "%" becomes "%25", "%2525"... */
static void
put_escaped(struct buf *out, const char *text, int times)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyz"
				    "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789-_.~";

	for (; *text != '\0'; text++) {
		if (strchr(plain, *text) != NULL) {
			buf_putc(out, *text);
			continue;
		}
		buf_putc(out, '%');
		for (int i = 1; i < times; i++)
			buf_puts(out, "25");
		buf_addf(out, "%02X", (unsigned char)*text);
	}
}

static int
read_page(struct page *p, struct err *e)
{
	struct buf path = BUF(PATH_MAX_BYTES);
	struct e2b_request rq = { .face = E2B_CONTROL,
		.method = "GET",
		.want = "X-Next-Token",
		.max_body = ANSWER_MAX };
	struct net_response rs = { 0 };
	int rc = -1;

	buf_addf(&path,
	    "/v2/sandboxes?metadata=%s&state=running,paused"
	    "&limit=%d",
	    p->query, E2B_PAGE_BOXES);
	if (p->next[0] != '\0') {
		buf_puts(&path, "&nextToken=");
		put_escaped(&path, p->next, 1);
	}
	if (!buf_ok(&path)) {
		err_set(e, ERR_INVALID, "a filter that is too long");
		goto out;
	}
	rq.path = path.data;
	rc = p->patient ? e2b_ask_again(p->b, &rq, &rs, e)
			: e2b_ask(p->b, &rq, &rs, e);
	if (rc == -1)
		goto out;
	if (rs.long_wanted[0]) {
		rc = e2b_fail(p->b, E2B_PROTOCOL, "a cursor that is too long",
		    e);
		goto out;
	}
	(void)snprintf(p->next, sizeof(p->next), "%s",
	    rs.has_wanted[0] ? rs.wanted[0] : "");
	if (e2b_boxes_read(p->boxes, &p->count,
		rs.body.data == NULL ? "" : rs.body.data, rs.body.len,
		p->b->set->deployment, e) == -1)
		rc = e2b_fail(p->b, E2B_PROTOCOL, e->text, e);
out:
	net_response_clear(&rs);
	buf_clear(&path);
	return rc;
}

void
e2b_filter_write(struct buf *out, const char *const pairs[][2], size_t n)
{
	bool first = true;

	for (size_t i = 0; i < n; i++) {
		if (pairs[i][1] == NULL)
			continue;
		if (!first)
			put_escaped(out, "&", 1);
		put_escaped(out, pairs[i][0], 3);
		put_escaped(out, "=", 1);
		put_escaped(out, pairs[i][1], 3);
		first = false;
	}
}

static int
read_pages(struct page *p, e2b_box_fn *fn, void *ctx, struct err *e)
{
	for (int i = 0; i < PAGES_MAX; i++) {
		if (read_page(p, e) == -1)
			return -1;
		for (size_t k = 0; k < p->count; k++)
			if (fn(ctx, &p->boxes[k], e) == -1)
				return -1;
		if (p->next[0] == '\0')
			return 0;
	}
	return e2b_fail(p->b, E2B_PROTOCOL, "a list without an end", e);
}

int
e2b_list(struct e2b *b, const struct e2b_filter *f, e2b_box_fn *fn, void *ctx,
    struct err *e)
{
	const char *const pairs[][2] = { { "app", E2B_APP },
		{ "deployment", f->deployment }, { "nonce", f->nonce },
		{ "task", f->task } };
	struct buf query = BUF(FILTER_MAX);
	struct page p = { .b = b, .patient = f->patient };
	int rc = -1;

	e2b_filter_write(&query, pairs, sizeof(pairs) / sizeof(pairs[0]));
	p.boxes = calloc(E2B_PAGE_BOXES, sizeof(*p.boxes));
	if (p.boxes == NULL || !buf_ok(&query)) {
		err_set(e, ERR_RETRY, "no room for a list");
		goto out;
	}
	p.query = query.data;
	rc = read_pages(&p, fn, ctx, e);
out:
	free(p.boxes);
	buf_clear(&query);
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
