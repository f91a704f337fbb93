#include "engine/quota.h"

unsigned int
quota_room(struct quota *q, unsigned int most, int64_t now_ms)
{
	if (now_ms < q->until_ms)
		return 0;
	if (q->probing) { /* and it was not refused */
		q->probing = false;
		q->refusals = 0;
	}
	return q->refusals == 0 ? most : 1;
}

void
quota_claimed(struct quota *q, int64_t now_ms)
{
	if (q->refusals == 0)
		return;
	q->probing = true;
	q->until_ms = now_ms + QUOTA_PROBE_MS;
}

void
quota_refused(struct quota *q, int64_t now_ms)
{
	int64_t pause_ms = QUOTA_PAUSE_MS;

	/* Of those that were claimed together the first has said it all. */
	if (q->refusals > 0 && !q->probing && now_ms < q->until_ms)
		return;
	for (unsigned int i = 0; i < q->refusals; i++) {
		pause_ms *= 2;
		if (pause_ms >= QUOTA_PAUSE_MOST_MS) {
			pause_ms = QUOTA_PAUSE_MOST_MS;
			break;
		}
	}
	q->refusals++;
	q->probing = false;
	q->until_ms = now_ms + pause_ms;
}

void
quota_freed(struct quota *q, int64_t now_ms)
{
	if (q->refusals > 0 && !q->probing && q->until_ms > now_ms)
		q->until_ms = now_ms;
}
