#ifndef ENGINE_IDENTITY_H
#define ENGINE_IDENTITY_H

#include "util/encode.h"
#include "util/err.h"

/*
 * identity: which machine we are, that is, which state folder; and the lock
 * that makes us its only reaper.
 *
 * The machine id is a random file in the folder, not the host's name. The
 * second part of an owner string changes with each boot of the host, and also
 * when the folder is a copy of another one (fault 53): it is made from the
 * boot id and from the identity of the file itself. So rows of our machine id
 * with another second part belong to runners that are dead for certain.
 */
struct identity {
	char machine_id[UUID_TEXT];
	char boot_id[UUID_TEXT];
	char owner[2 * UUID_TEXT]; /* "machine_id:boot_id" */
	int lock_fd;
};

/*
 * ERR_CONFLICT: another reaper has the folder. ERR_INVALID: it lies on a file
 * system whose locks prove nothing (S7).
 */
int identity_open(struct identity *id, const char *state_dir,
    struct err *e) MUST_CHECK;
void identity_close(struct identity *id);

#endif
