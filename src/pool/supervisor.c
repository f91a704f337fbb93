#include "pool/supervisor.h"

#include <signal.h>
#include <string.h>

#include "util/log.h"

/* Before the next start after so many quick deaths in a row. */
static const int64_t pauses_ms[] = { 0, 100, 500, 1000, 2000, 5000, 10000,
	30000 };

#define PAUSES (sizeof(pauses_ms) / sizeof(pauses_ms[0]))

/* How often to look whether new children are ready, or busy ones too long. */
#define READY_LOOK_MS 20
#define BUSY_LOOK_MS 250

void
supervisor_init(struct supervisor *s, const char *name,
    const struct supervisor_ops *ops, const struct supervisor_limits *limits)
{
	memset(s, 0, sizeof(*s));
	s->name = name;
	s->ops = *ops;
	s->limits = *limits;
}

static bool
row_ready(const struct supervisor *s, size_t row)
{
	return s->ops.ready == NULL || s->ops.ready(s->ops.ctx, row);
}

static size_t
count(const struct supervisor *s, enum supervisor_row_state state)
{
	size_t n = 0;

	for (size_t i = 0; i < SUPERVISOR_ROWS; i++)
		n += s->rows[i].state == state;
	return n;
}

size_t
supervisor_alive(const struct supervisor *s)
{
	return SUPERVISOR_ROWS - count(s, ROW_FREE);
}

size_t
supervisor_ready(const struct supervisor *s)
{
	size_t n = 0;

	for (size_t i = 0; i < SUPERVISOR_ROWS; i++)
		n += s->rows[i].state == ROW_CURRENT && row_ready(s, i);
	return n;
}

int64_t
supervisor_held_until(const struct supervisor *s, int64_t now_ms)
{
	int64_t until = 0;

	for (size_t i = 0; i < s->limits.wanted; i++) {
		const struct supervisor_place *p = &s->places[i];

		if (!p->filled && p->start_at_ms > now_ms &&
		    p->start_at_ms > until)
			until = p->start_at_ms;
	}
	return until;
}

/* After a death within a second of birth, or a start that failed. */
static void
hold_back(struct supervisor *s, struct supervisor_place *p, int64_t now_ms)
{
	size_t n = p->quick_deaths < PAUSES ? p->quick_deaths : PAUSES - 1;

	p->quick_deaths++;
	p->start_at_ms = now_ms + pauses_ms[n];
	if (n > 0)
		log_line(LOG_ERROR,
		    "%s keeps dying place=%zu deaths=%u pause_ms=%lld", s->name,
		    (size_t)(p - s->places), p->quick_deaths,
		    (long long)pauses_ms[n]);
}

static void
kill_row(struct supervisor *s, size_t row)
{
	if (s->rows[row].killed)
		return;
	s->rows[row].killed = true;
	s->ops.signal(s->ops.ctx, row, SIGKILL);
}

static void
ask_row(struct supervisor *s, size_t row, int64_t now_ms)
{
	s->rows[row].state = ROW_LEAVING;
	s->rows[row].asked_ms = now_ms;
	if (!s->rows[row].killed)
		s->ops.signal(s->ops.ctx, row, SIGTERM);
}

static void
start_place(struct supervisor *s, size_t place, int64_t now_ms)
{
	struct err e = { 0 };
	size_t row;

	for (row = 0; row < SUPERVISOR_ROWS; row++)
		if (s->rows[row].state == ROW_FREE)
			break;

	/* All are taken by those who are leaving: one will be free soon. */
	if (row == SUPERVISOR_ROWS)
		return;
	if (s->ops.start(s->ops.ctx, row, &e) != 0) {
		log_err(LOG_ERROR, &e, "start of %s", s->name);
		hold_back(s, &s->places[place], now_ms);
		return;
	}
	s->rows[row] = (struct supervisor_row){
		.state = ROW_CURRENT,
		.born_ms = now_ms,
		.place = place,
	};
	s->places[place].filled = true;
}

static void
start_due(struct supervisor *s, int64_t now_ms)
{
	if (s->draining)
		return;
	if (s->limits.stop_first &&
	    count(s, ROW_OLD) + count(s, ROW_LEAVING) > 0)
		return;
	for (size_t i = 0; i < s->limits.wanted; i++)
		if (!s->places[i].filled && s->places[i].start_at_ms <= now_ms)
			start_place(s, i, now_ms);
}

/* F14: a request over the limit costs its worker, not the pool. */
static void
kill_overdue(struct supervisor *s, size_t row, int64_t now_ms)
{
	struct supervisor_row *r = &s->rows[row];
	int64_t since;

	if (r->killed)
		return;
	if (r->state == ROW_LEAVING &&
	    now_ms - r->asked_ms >= s->limits.leave_ms) {
		log_line(LOG_WARN, "%s did not leave after_ms=%lld", s->name,
		    (long long)(now_ms - r->asked_ms));
		kill_row(s, row);
		return;
	}
	if (s->limits.busy_ms == 0 || s->ops.busy_since_ms == NULL)
		return;
	since = s->ops.busy_since_ms(s->ops.ctx, row);
	if (r->state == ROW_CURRENT && !row_ready(s, row))
		since = r->born_ms; /* a start must end, too */
	if (since != 0 && now_ms - since >= s->limits.busy_ms) {
		log_line(LOG_ERROR, "%s over its request limit busy_ms=%lld",
		    s->name, (long long)(now_ms - since));
		s->killed++;
		kill_row(s, row);
	}
}

/* The old generation goes once the new one can do its work. */
static void
relieve_old(struct supervisor *s, int64_t now_ms)
{
	if (count(s, ROW_OLD) == 0)
		return;
	if (!s->limits.stop_first && supervisor_ready(s) < s->limits.wanted)
		return;
	for (size_t i = 0; i < SUPERVISOR_ROWS; i++)
		if (s->rows[i].state == ROW_OLD)
			ask_row(s, i, now_ms);
}

static int64_t
sooner(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static int64_t
next_look(const struct supervisor *s, int64_t now_ms)
{
	int64_t next = INT64_MAX;

	for (size_t i = 0; i < SUPERVISOR_ROWS; i++) {
		const struct supervisor_row *r = &s->rows[i];

		if (r->state == ROW_LEAVING && !r->killed)
			next = sooner(next, r->asked_ms + s->limits.leave_ms);
		if (r->state != ROW_FREE && s->limits.busy_ms != 0)
			next = sooner(next, now_ms + BUSY_LOOK_MS);
		if (r->state == ROW_CURRENT && !row_ready(s, i))
			next = sooner(next, now_ms + READY_LOOK_MS);
	}
	for (size_t i = 0; !s->draining && i < s->limits.wanted; i++)
		if (!s->places[i].filled && s->places[i].start_at_ms > now_ms)
			next = sooner(next, s->places[i].start_at_ms);
	return next;
}

int64_t
supervisor_tick(struct supervisor *s, int64_t now_ms)
{
	for (size_t i = 0; i < SUPERVISOR_ROWS; i++)
		if (s->rows[i].state != ROW_FREE)
			kill_overdue(s, i, now_ms);
	start_due(s, now_ms);
	relieve_old(s, now_ms);
	return next_look(s, now_ms);
}

/*
 * A worker that leaves in order after it was ready has retired, however soon.
 */
static bool
has_retired(const struct supervisor *s, size_t row, int code, int signal)
{
	return code == 0 && signal == 0 && s->ops.ready != NULL &&
	    row_ready(s, row);
}

void
supervisor_ended(struct supervisor *s, size_t row, int code, int signal,
    int64_t now_ms)
{
	struct supervisor_row *r = &s->rows[row];
	struct supervisor_place *p = &s->places[r->place];
	enum supervisor_row_state was = r->state;

	r->state = ROW_FREE;
	if (was == ROW_OLD || was == ROW_LEAVING)
		return;
	p->filled = false;
	if (has_retired(s, row, code, signal)) {
		p->quick_deaths = 0;
		p->start_at_ms = now_ms;
		return;
	}
	s->deaths++;
	log_line(LOG_WARN, "%s died code=%d signal=%d lived_ms=%lld", s->name,
	    code, signal, (long long)(now_ms - r->born_ms));
	if (now_ms - r->born_ms < SUPERVISOR_QUICK_MS) {
		hold_back(s, p, now_ms);
		return;
	}
	p->quick_deaths = 0;
	p->start_at_ms = now_ms;
}

void
supervisor_reload(struct supervisor *s, const struct supervisor_limits *limits,
    int64_t now_ms)
{
	s->limits = *limits;
	memset(s->places, 0, sizeof(s->places));
	for (size_t i = 0; i < SUPERVISOR_ROWS; i++)
		if (s->rows[i].state == ROW_CURRENT)
			s->rows[i].state = ROW_OLD;
	if (s->draining || limits->stop_first)
		for (size_t i = 0; i < SUPERVISOR_ROWS; i++)
			if (s->rows[i].state == ROW_OLD)
				ask_row(s, i, now_ms);
}

void
supervisor_drain(struct supervisor *s, int64_t now_ms)
{
	s->draining = true;
	for (size_t i = 0; i < SUPERVISOR_ROWS; i++)
		if (s->rows[i].state == ROW_CURRENT ||
		    s->rows[i].state == ROW_OLD)
			ask_row(s, i, now_ms);
}
