#include "util/heap.h"

#include <malloc.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

#define GAP_MAX 8192 /* a larger one has pages of its own */
#define GAP_MIN 24   /* malloc()'s smallest */
#define GAP_STEP 16

/* Chained, so that it does not look like lost memory. */
struct filling {
	struct filling *next;
};

static struct filling *fillings;

/* Fills one gap of this size. False when there was none. */
static bool
fill_one(size_t size)
{
	size_t top = mallinfo2().keepcost;
	struct filling *f = malloc(size);

	if (f == NULL)
		return false;
	if (mallinfo2().keepcost != top) { /* from the end of the heap */
		free(f);
		return false;
	}
	f->next = fillings;
	fillings = f;
	return true;
}

/* Is malloc() the one that counts? A sanitizer brings its own. */
static bool
is_counted(void)
{
	size_t before = mallinfo2().uordblks;
	void *volatile p = malloc(GAP_MAX);
	bool counted = mallinfo2().uordblks > before;

	free(p);
	return counted;
}

void
heap_fill(void)
{
	if (!is_counted())
		return;
	for (size_t size = GAP_MAX; size >= GAP_MIN; size -= GAP_STEP)
		while (fill_one(size))
			;
}

void
heap_trim(void)
{
	(void)malloc_trim(0);
}
