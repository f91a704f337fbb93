#ifndef UTIL_ERR_H
#define UTIL_ERR_H

/*
 * err: what went wrong, in a form the caller can act on.
 *
 * A function that can fail takes a struct err * last and returns 0, or -1
 * once it has filled the struct. Whoever finds the fault names its kind,
 * whoever passes it up may put words in front, whoever ends it logs it.
 * The struct lives on the stack of the one who ends it and owns no memory:
 *
 *	struct err e = { 0 };
 *
 * The text is one line that grows from the inside out, such as
 * "clone: run git: connection reset by peer".
 */

enum err_kind {
	ERR_NONE = 0,
	ERR_INVALID,  /* the caller's input: tell them, do not retry */
	ERR_UNKNOWN,  /* we do not know who is asking */
	ERR_DENIED,   /* we do know, and they may not */
	ERR_ABSENT,   /* no such thing, or none that they may see */
	ERR_CONFLICT, /* it changed under you: read it again, then decide */
	ERR_RETRY,    /* network, lock, quota: the same call may work later */
	ERR_BROKEN,   /* our bug, or a peer broke its contract */
	ERR_KIND_N
};

struct err {
	enum err_kind kind;
	char text[480];
};

/* Marks a function whose result may not be dropped. */
#define MUST_CHECK __attribute__((warn_unused_result))

/* Fills *e. Always returns -1, so a caller can write return err_set(...). */
int err_set(struct err *e, enum err_kind kind, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* The same after a failed system call: adds the text of errno. */
int err_sys(struct err *e, enum err_kind kind, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Puts "<words>: " before a text already set; the kind stays. Returns -1. */
int err_wrap(struct err *e, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* The kind's name for log lines: "invalid", "retry", ... Never NULL. */
const char *err_kind_name(enum err_kind kind);

#endif
