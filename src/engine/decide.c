#include "engine/decide.h"

/* A runner whose lock is held. */
static enum action
decide_alive(const struct facts *f)
{
	enum action idle = f->row == ROW_SUPERSEDED ? ACT_WAIT : ACT_FOLLOW;

	/*
	 * Nobody may be told, and a result of "stopped" would look like its
	 * user's wish: it has to go without one.
	 */
	if (f->cut_off && !f->result)
		return ACT_KILL;
	if (f->row == ROW_UNKNOWN)
		return ACT_ASK;
	if (f->row == ROW_OURS && !f->lingers)
		return ACT_FOLLOW;
	switch (f->stop) {
	case STOP_NONE:
		return ACT_TERM;
	case STOP_OVERDUE:
		return ACT_KILL;
	case STOP_ASKED:
		break;
	}
	return idle;
}

enum action
decide(const struct facts *f)
{
	if (f->alive)
		return decide_alive(f);
	switch (f->row) {
	case ROW_UNKNOWN:
		return ACT_ASK;
	case ROW_SUPERSEDED:
		return ACT_DROP;
	case ROW_OURS:
	case ROW_CANCEL:
		break;
	}
	if (f->result)
		return ACT_DELIVER;
	/* Free lock, no result: dead for certain (reliability 8). */
	return f->resumable && f->row == ROW_OURS ? ACT_RESUME : ACT_LOST;
}
