#include "util/heap.h"

#include <malloc.h>
#include <stddef.h>
#include <stdlib.h>

#define GAP_MAX 8192 /* a larger one has pages of its own */
#define GAP_MIN 24   /* malloc()'s smallest */
#define GAP_STEP 16
#define GAPS_MAX 65536

/* Chained, so that it does not look like lost memory. */
struct filling {
	struct filling *next;
};

static struct filling *fillings;

/* Fills one gap of this size. 0 when there was none. */
static int
fill_one(size_t size)
{
	size_t top = mallinfo2().keepcost;
	struct filling *f = malloc(size);

	if (f == NULL)
		return 0;
	if (mallinfo2().keepcost != top) { /* from the end of the heap */
		free(f);
		return 0;
	}
	f->next = fillings;
	fillings = f;
	return 1;
}

void
heap_fill(void)
{
	int left = GAPS_MAX; /* another malloc() may count nothing */

	for (size_t size = GAP_MAX; size >= GAP_MIN; size -= GAP_STEP)
		while (left > 0 && fill_one(size))
			left--;
}

void
heap_trim(void)
{
	(void)malloc_trim(0);
}
