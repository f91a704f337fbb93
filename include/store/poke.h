#ifndef STORE_POKE_H
#define STORE_POKE_H

#include "util/err.h"

/*
 * poke: tells this machine's reaper that the queue has changed: an empty
 * datagram to STATE_DIR/reaper.sock. Only a hint: a poke that is lost, or finds
 * no reaper, costs a second of polling, never a task.
 */

/* Other sockets of the kind below STATE_DIR. */
#define POKE_REAPER "reaper.sock"
#define POKE_JWKS "jwks.sock" /* an unknown key: fetch the set again */

/* The reaper's end: binds the socket (replacing a stale one), non-blocking. */
int poke_listen(const char *state_dir, struct err *e) MUST_CHECK;
int poke_listen_at(const char *state_dir, const char *name,
    struct err *e) MUST_CHECK;

/* Takes all waiting pokes off the socket. */
void poke_drain(int fd);

/* The other end, one per process. Never waits, never fails. */
struct poke;

int poke_open(struct poke **p, const char *state_dir, struct err *e) MUST_CHECK;
int poke_open_at(struct poke **p, const char *state_dir, const char *name,
    struct err *e) MUST_CHECK;
void poke_send(struct poke *p);
void poke_close(struct poke *p); /* takes NULL */

#endif
