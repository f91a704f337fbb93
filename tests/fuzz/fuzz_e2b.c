/*
 * Answers of the cloud's API, as a broken or hostile peer may send them. The
 * first byte is the status and whom was asked; the rest is the body, as an
 * error, as a list of sandboxes, and as the log may show it.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "exec/e2b_list.h"
#include "util/encode.h"
#include "util/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
must(bool holds)
{
	if (!holds)
		abort();
}

static void
judge(unsigned int how, const char *body, size_t len)
{
	static const int statuses[] = { 200, 201, 204, 206, 302, 400, 401, 402,
		403, 404, 405, 409, 416, 429, 500, 502, 503, 504, 507, 599 };
	struct net_response rs = {
		.status =
		    statuses[how % (sizeof(statuses) / sizeof(statuses[0]))],
		.retry_after_s = (how & 0x80) != 0 ? 1 : -1,
		.body = BUF(len + 1)
	};
	char said[E2B_SAID_MAX];
	enum e2b_trouble t;

	buf_add(&rs.body, body, len);
	for (int face = E2B_CONTROL; face <= E2B_ENVD; face++) {
		t = e2b_judge((enum e2b_face)face, &rs, said);
		must(t < E2B_TROUBLE_N);
		must((t == E2B_FINE) == (rs.status < 300));
		must(utf8_valid(said, strlen(said)));
		must(strpbrk(said, "\r\n\t") == NULL);
	}
	buf_clear(&rs.body);
}

static void
list(const char *body, size_t len)
{
	static struct e2b_box boxes[E2B_PAGE_BOXES];
	struct err e = { 0 };
	size_t n;

	(void)!e2b_boxes_read(boxes, &n, body, len, "d1", &e);
	must(n <= E2B_PAGE_BOXES);
	for (size_t i = 0; i < n; i++) {
		must(cloud_is_id(boxes[i].box.id));
		must(boxes[i].box.ours ==
		    (strcmp(boxes[i].box.deployment, "d1") == 0));
		must(!boxes[i].box.marked || boxes[i].box.task_id >= 0);
		for (const char *p = boxes[i].box.template_id; *p != '\0'; p++)
			must(*p > 0x20 && *p < 0x7f);
	}
}

/* Whatever it is, it stays JSON or becomes a number of bytes. */
static void
mask(const char *body, size_t len)
{
	struct buf out = BUF(8 * len + 64);
	struct err e = { 0 };

	e2b_mask(&out, body, len);
	if (buf_ok(&out) && out.data[0] != '(')
		must(json_scan(out.data, out.len, &e) == 0);
	buf_clear(&out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *body = (const char *)data + 1;
	struct err e = { 0 };

	if (size < 2 || encode_init(&e) == -1)
		return 0;
	judge(data[0], body, size - 1);
	list(body, size - 1);
	mask(body, size - 1);
	return 0;
}
