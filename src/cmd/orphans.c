#include "cmd/orphans.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void
orphans_init(struct orphans *o, int64_t apart_ms)
{
	*o = (struct orphans){ .apart_ms = apart_ms, .look = 1 };
}

void
orphans_clear(struct orphans *o)
{
	free(o->doubts);
	o->doubts = NULL;
	o->count = o->room = 0;
}

void
orphans_begin(struct orphans *o)
{
	o->look++;
}

void
orphans_end(struct orphans *o)
{
	size_t kept = 0;

	for (size_t i = 0; i < o->count; i++)
		if (o->doubts[i].look == o->look)
			o->doubts[kept++] = o->doubts[i];
	o->count = kept;
}

static struct orphan_doubt *
find(struct orphans *o, const char *id)
{
	for (size_t i = 0; i < o->count; i++)
		if (strcmp(o->doubts[i].id, id) == 0)
			return &o->doubts[i];
	return NULL;
}

/* NULL: it will be looked at again. */
static struct orphan_doubt *
add(struct orphans *o, const char *id)
{
	struct orphan_doubt *p;

	if (o->count == o->room) {
		size_t room = o->room == 0 ? 16 : 2 * o->room;

		if (o->room >= ORPHANS_DOUBTS_MAX)
			return NULL;
		p = realloc(o->doubts, room * sizeof(*p));
		if (p == NULL)
			return NULL;
		o->doubts = p;
		o->room = room;
	}
	p = &o->doubts[o->count++];
	memset(p, 0, sizeof(*p));
	(void)snprintf(p->id, sizeof(p->id), "%s", id);
	return p;
}

static bool
doubt(struct orphans *o, const char *id, int64_t now_ms)
{
	struct orphan_doubt *d = find(o, id);
	bool again = d != NULL && d->look + 1 == o->look;

	if (d == NULL && (d = add(o, id)) == NULL)
		return false;
	if (!again)
		d->since_ms = now_ms;
	d->look = o->look;
	return again && now_ms - d->since_ms >= o->apart_ms;
}

bool
orphans_judge(struct orphans *o, const char *id, enum standing s,
    int64_t now_ms)
{
	switch (s) {
	case STANDING_LIVE:
		return false;
	case STANDING_OVER:
		return true;
	case STANDING_UNKNOWN:
		break;
	}
	return doubt(o, id, now_ms);
}
