#ifndef UTIL_HEAP_H
#define UTIL_HEAP_H

/*
 * heap: what malloc() does with memory that processes share after a fork. Both
 * only save memory: nothing depends on them. Not for processes with threads.
 */

/*
 * Takes the gaps that are left between what is allocated, for good. A process
 * that is forked then allocates on pages of its own; in a gap it would make
 * the kernel copy a page, with all that it had shared there. Again: the gaps
 * that have come up since.
 */
void heap_fill(void);

/* Gives back to the system what is free, also amid what is not. */
void heap_trim(void);

#endif
