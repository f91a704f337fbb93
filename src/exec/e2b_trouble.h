#ifndef EXEC_E2B_TROUBLE_H
#define EXEC_E2B_TROUBLE_H

#include <stdbool.h>

#include "util/err.h"
#include "util/net.h"

/*
 * e2b_trouble: what E2B's answers mean, and what to tell people, as one table.
 * Codes decide first, words only where there is no code (E2B protocol 2.2,
 * 4.5). Pure.
 */
enum e2b_trouble {
	E2B_FINE,
	E2B_QUOTA,       /* as many sandboxes as the plan allows */
	E2B_RATE,        /* too many requests; says when to come again */
	E2B_KEY,         /* 401 */
	E2B_BLOCKED,     /* 403: banned, or unpaid */
	E2B_TEMPLATE,    /* not there, or not ours */
	E2B_REFUSED,     /* 400 and other refusals: nothing will change them */
	E2B_CAPACITY,    /* no room for another sandbox now */
	E2B_AWAY,        /* no answer, or an error of theirs */
	E2B_GONE,        /* the sandbox is no more */
	E2B_UNREACHABLE, /* of a sandbox: gone, paused, or broken; ask */
	E2B_CONFLICT,    /* it is changing its state */
	E2B_ABSENT,      /* no such file, process or route */
	E2B_SPACE,       /* the sandbox's disk is full */
	E2B_PROTOCOL,    /* no answer that we understand */
	E2B_STOPPED,     /* nobody wants it any more */
	E2B_TROUBLE_N
};

/* Whom was asked. */
enum e2b_face {
	E2B_CONTROL, /* the account's API */
	E2B_CREATE,  /* the same, to make a sandbox */
	E2B_ENVD     /* one sandbox */
};

#define E2B_SAID_MAX 200

/*
 * What an answer with this status is; and what it says, on one line ("": no
 * words), in said.
 */
enum e2b_trouble e2b_judge(enum e2b_face face, const struct net_response *rs,
    char said[E2B_SAID_MAX]);

/* The failure class of a run that ends over it; NULL: it may be tried again. */
const char *e2b_trouble_failure(enum e2b_trouble t);

/* Fills *e with the text for people. said may be "". Always -1. */
int e2b_trouble_set(struct err *e, enum e2b_trouble t, const char *said);

/* True if the same request may fare better later. */
bool e2b_trouble_passes(enum e2b_trouble t);

#endif
