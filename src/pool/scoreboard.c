#include "pool/scoreboard.h"

#include <sys/mman.h>

#include "util/clock.h"

#define ADD(word, n) \
	atomic_fetch_add_explicit(&(word), (n), memory_order_relaxed)

struct scoreboard *
scoreboard_new(struct err *e)
{
	struct scoreboard *b = mmap(NULL, sizeof(*b), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (b == MAP_FAILED) {
		(void)err_sys(e, ERR_RETRY, "scoreboard");
		return NULL;
	}
	b->started_ms = clock_mono_ms();
	return b;
}

void
scoreboard_set(struct scoreboard *b, size_t slot, pid_t pid)
{
	struct worker_slot *w = &b->slots[slot];

	w->state = WORKER_NONE;
	w->requests = 0;
	w->since_ms = w->born_ms = pid == 0 ? 0 : clock_mono_ms();
	w->pid = pid;
}

void
scoreboard_state(struct scoreboard *b, size_t slot, enum worker_state state)
{
	struct worker_slot *w = &b->slots[slot];

	/* The time first: a reader who sees "busy" must not see an old one. */
	w->since_ms = clock_mono_ms();
	w->state = (int)state;
}

void
scoreboard_count(struct scoreboard *b, size_t slot, int status, int64_t took_us)
{
	int class = status / 100;

	(void)ADD(b->slots[slot].requests, 1);
	(void)ADD(b->requests, 1);
	(void)ADD(b->busy_us, took_us > 0 ? (uint64_t)took_us : 0);
	if (class >= 0 && class < 6)
		(void)ADD(b->status_class[class], 1);
	if (status >= 500)
		(void)ADD(b->errors, 1);
}
