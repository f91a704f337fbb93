#ifndef EXEC_E2B_EVENT_H
#define EXEC_E2B_EVENT_H

#include <stdbool.h>
#include <stdint.h>

#include "util/buf.h"
#include "util/err.h"

/*
 * e2b_event: one message of the stream of a process (E2B protocol 4.4, 4.7,
 * 5.2 to 5.4). Pure.
 */
enum e2b_event_kind {
	E2B_EVENT_OTHER, /* keepalives, and what nobody knows yet */
	E2B_EVENT_START,
	E2B_EVENT_STDOUT,
	E2B_EVENT_STDERR,
	E2B_EVENT_END,
	E2B_EVENT_LAST /* the stream is over; with an error, or without */
};

struct e2b_event {
	enum e2b_event_kind kind;
	int64_t pid;     /* START */
	struct buf data; /* STDOUT, STDERR */

	/* END: its exit status; -1 after a signal. It is absent when it is 0.
	 */
	int code;

	/* LAST: "" when all was well */
	char error[32];
	char text[200];
};

/*
 * Reads a message. last: it came in the end-of-stream frame. ERR_BROKEN: it is
 * none. ev->data is to be cleared with e2b_event_clear() in any case.
 */
int e2b_event_read(struct e2b_event *ev, bool last, const char *message,
    size_t len, struct err *e) MUST_CHECK;
void e2b_event_clear(struct e2b_event *ev);

#endif
