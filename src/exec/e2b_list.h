#ifndef EXEC_E2B_LIST_H
#define EXEC_E2B_LIST_H

#include "exec/cloud.h"
#include "exec/e2b.h"

/*
 * e2b_list: which sandboxes of ours the account has. Private to e2b.
 */
#define E2B_APP "taskmill" /* metadata "app" of every sandbox that we make */

struct e2b_box {
	struct cloud_box box;
	char nonce[E2B_NONCE];
};

/* What all of a list have in their metadata; NULL: whatever it is. */
struct e2b_filter {
	const char *deployment;
	const char *nonce;
	const char *task;
	bool patient; /* each page is asked for again while that may help */
};

/* May ask E2B other things. -1 with *e ends the list. */
typedef int e2b_box_fn(void *ctx, const struct e2b_box *box, struct err *e);

/*
 * Only what says of itself that it is a taskmill's comes; that it fits the
 * filter is the service's word.
 */
int e2b_list(struct e2b *b, const struct e2b_filter *f, e2b_box_fn *fn,
    void *ctx, struct err *e) MUST_CHECK;

/*
 * The two pure halves of it, for tests. The value of a filter's "metadata="
 * (pairs with a NULL for their value are left out), which the service decodes
 * three times (E2B protocol 2.5); and a page of the list. ERR_BROKEN: it
 * is none.
 */
#define E2B_PAGE_BOXES 100
void e2b_filter_write(struct buf *out, const char *const pairs[][2], size_t n);
int e2b_boxes_read(struct e2b_box boxes[E2B_PAGE_BOXES], size_t *count,
    const char *text, size_t len, const char *deployment,
    struct err *e) MUST_CHECK;

#endif
