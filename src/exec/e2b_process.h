#ifndef EXEC_E2B_PROCESS_H
#define EXEC_E2B_PROCESS_H

#include "exec/e2b.h"
#include "exec/e2b_envelope.h"

/*
 * e2b_process: one process in a sandbox, and the stream that tells of it (E2B
 * protocol 5). Private to e2b.
 */
struct e2b_process {
	struct e2b *b;
	const struct sandbox_cmd *cmd; /* for its output; NULL: none */
	char tag[48];
	int64_t pid; /* 0: not known, or not there */

	struct net_stream *stream; /* NULL: nobody listens */
	int64_t began_ms;          /* when the stream was opened */
	struct envelope_reader reader;
	struct buf request; /* what is being asked: may hold secrets */
	const char *headers[E2B_HEADERS_MAX];
	char url[E2B_URL_MAX + 64];
	char ping[48];

	/*
	 * The stream has told every byte of out and err so far, so that what
	 * it tells next is what comes next. Otherwise it is but a hint that
	 * there is more in the files.
	 */
	bool whole;
	bool news;
	uint64_t got[2]; /* bytes of out and err that were passed on */

	bool over;      /* the stream has told of the end */
	bool refused;   /* output() wanted an end */
	char error[32]; /* what the stream ended with */
	char text[200];
};

/* Starts argv as root, with this environment ("NAME=value", NULL last). */
int e2b_process_start(struct e2b_process *p, const char *const *argv,
    const char *const *env, const char *cwd, struct err *e) MUST_CHECK;

/* Listens again to p->pid. */
int e2b_process_attach(struct e2b_process *p, struct err *e) MUST_CHECK;

/* Sets p->pid to the one with p's tag; 0 when there is none. */
int e2b_process_find(struct e2b_process *p, struct err *e) MUST_CHECK;

/* SIGTERM, to that one process. */
int e2b_process_term(struct e2b_process *p, struct err *e) MUST_CHECK;

/*
 * Ends the tree of the command in folder; where that fails the sandbox with it,
 * for there is no other way (E4).
 */
void e2b_kill_tree(struct e2b *b, const char *folder);

/* Ends listening; the process does not notice. */
void e2b_process_leave(struct e2b_process *p);

#endif
