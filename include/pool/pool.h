#ifndef POOL_POOL_H
#define POOL_POOL_H

/*
 * pool: the processes that serve requests.
 *
 *	scoreboard  what each of them is doing, in shared memory
 *	supervisor  the table of children: when to start, replace, kill
 *	listener    the socket: made, guarded and removed, or inherited
 *	master      the loop of "taskmill serve"
 *	worker      the loop of one FastCGI worker
 *	confine     system calls that a worker gives up
 *
 * What a request means is the business of the callbacks it is given.
 */
#include "pool/scoreboard.h"

#endif
