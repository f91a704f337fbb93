#include "spool/replay.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "util/json.h"

#define TOOK ",\"took_ms\":"

/* What makes two events the same: the kind and what it says. */
static void
make_key(unsigned char key[REPLAY_KEY], const char *kind, const char *data,
    size_t len)
{
	const char *took = strcmp(kind, "step") == 0
	    ? memmem(data, len, TOOK, strlen(TOOK))
	    : NULL;
	crypto_generichash_state state;

	if (took != NULL)
		len = (size_t)(took - data);
	(void)crypto_generichash_init(&state, NULL, 0, REPLAY_KEY);
	(void)crypto_generichash_update(&state, (const unsigned char *)kind,
	    strlen(kind) + 1);
	(void)crypto_generichash_update(&state, (const unsigned char *)data,
	    len);
	(void)crypto_generichash_final(&state, key, REPLAY_KEY);
}

static int
make_room(struct replay *r, struct err *e)
{
	size_t room = r->room == 0 ? 64 : 2 * r->room;
	void *keys, *used;

	if (r->count < r->room)
		return 0;
	if ((keys = realloc(r->keys, room * sizeof(*r->keys))) != NULL)
		r->keys = keys;
	if ((used = realloc(r->used, room * sizeof(*r->used))) != NULL)
		r->used = used;
	if (keys == NULL || used == NULL)
		return err_set(e, ERR_RETRY, "out of memory for old events");
	r->room = room;
	return 0;
}

static int
add_key(struct replay *r, const struct spool_event *ev, struct err *e)
{
	if (make_room(r, e) == -1)
		return -1;
	make_key(r->keys[r->count], ev->kind, ev->data, ev->data_len);
	r->used[r->count++] = false;
	return 0;
}

/* From the reader, which has checked its form. */
static int64_t
time_us(const char *at)
{
	struct tm tm = { 0 };
	int us = 0;

	if (sscanf(at, "%d-%d-%d %d:%d:%d.%6d", &tm.tm_year, &tm.tm_mon,
		&tm.tm_mday, &tm.tm_hour, &tm.tm_min, &tm.tm_sec, &us) != 7)
		return 0;
	tm.tm_year -= 1900;
	tm.tm_mon--;
	return (int64_t)timegm(&tm) * 1000000 + us;
}

static void
add_step(struct replay *r, struct json_object *o, const char *at)
{
	const char *name, *state;
	struct replay_step *step;
	size_t n, len;
	int64_t took_ms;

	if (json_get_string(o, "step", &name, &n) != JSON_FOUND ||
	    json_get_string(o, "state", &state, &len) != JSON_FOUND ||
	    n >= sizeof(step->name))
		return;
	if (strcmp(state, "started") == 0 && r->step_count < REPLAY_STEPS) {
		step = &r->steps[r->step_count++];
		memcpy(step->name, name, n + 1);
		step->began_us = time_us(at);
		step->took_ms = -1;
	} else if (r->step_count > 0 &&
	    json_get_int(o, "took_ms", &took_ms) == JSON_FOUND) {
		r->steps[r->step_count - 1].took_ms = took_ms;
	}
}

static void
add_output(struct replay *r, struct json_object *o)
{
	const char *stream, *text;
	size_t n, len;
	int from;

	if (json_get_string(o, "stream", &stream, &n) != JSON_FOUND ||
	    json_get_string(o, "text", &text, &len) != JSON_FOUND)
		return;
	from = strcmp(stream, "stderr") == 0 ? STREAM_STDERR : STREAM_STDOUT;
	r->output[from] += len;
	r->kept += len;
}

static int
add_event(struct replay *r, const struct spool_event *ev, struct err *e)
{
	bool output = strcmp(ev->kind, "output") == 0;
	bool step = strcmp(ev->kind, "step") == 0;
	struct json_object *o = NULL;

	if (strcmp(ev->kind, "truncated") == 0) {
		r->truncated = true;
		return 0;
	}
	if (output || step) {
		if (json_read(&o, ev->data, ev->data_len, e) == -1)
			return -1;
		if (output)
			add_output(r, o);
		else
			add_step(r, o, ev->at);
		json_free(o);
	}
	return output ? 0 : add_key(r, ev, e);
}

int
replay_read(struct replay *r, int dirfd, struct err *e)
{
	struct spool_reader *reader;
	struct spool_event ev;
	int rc;

	if (spool_reader_open(&reader, dirfd, 0, e) == -1)
		return -1;
	while ((rc = spool_reader_next(reader, &ev, e)) == 1)
		if ((rc = add_event(r, &ev, e)) == -1)
			break;
	spool_reader_close(reader);
	return rc;
}

void
replay_clear(struct replay *r)
{
	free(r->keys);
	free(r->used);
	*r = (struct replay){ 0 };
}

/* They come in their old order, so the next one nearly always is it. */
bool
replay_told(struct replay *r, const char *kind, const char *data, size_t len)
{
	unsigned char key[REPLAY_KEY];

	if (r->next == r->count)
		return false;
	make_key(key, kind, data, len);
	for (size_t i = r->next; i < r->count; i++) {
		if (r->used[i] || memcmp(r->keys[i], key, REPLAY_KEY) != 0)
			continue;
		r->used[i] = true;
		while (r->next < r->count && r->used[r->next])
			r->next++;
		return true;
	}
	return false;
}
