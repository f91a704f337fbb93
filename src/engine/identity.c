#include "engine/identity.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "util/file.h"
#include "util/proc.h"

#define ID_FILE "machine-id"
#define ID_MAX 64

/* S7: flock and unix sockets of network file systems prove nothing. */
static int
check_local(int dirfd, const char *state_dir, struct err *e)
{
	struct statfs fs;

	if (fstatfs(dirfd, &fs) == -1)
		return err_sys(e, ERR_RETRY, "statfs %s", state_dir);
	if (fs.f_type == NFS_SUPER_MAGIC || fs.f_type == SMB_SUPER_MAGIC ||
	    fs.f_type == SMB2_SUPER_MAGIC || fs.f_type == CIFS_SUPER_MAGIC)
		return err_set(e, ERR_INVALID,
		    "STATE_DIR %s is on a network file system; it must be on a "
		    "local disk",
		    state_dir);
	return 0;
}

static int
take_lock(struct identity *id, int dirfd, const char *state_dir, struct err *e)
{
	id->lock_fd = file_lock(dirfd, "reaper.lock", e);
	if (id->lock_fd == -2)
		return err_set(e, ERR_CONFLICT,
		    "STATE_DIR %s has a reaper already", state_dir);
	return id->lock_fd == -1 ? -1 : 0;
}

static int
make_id(int dirfd, struct err *e)
{
	char id[UUID_TEXT], text[UUID_TEXT + 1];

	uuid_new(id);
	(void)snprintf(text, sizeof(text), "%s\n", id);
	return file_replace(dirfd, ID_FILE, text, strlen(text), 0600, e);
}

static int
read_id(struct identity *id, int dirfd, struct err *e)
{
	struct buf text = BUF(ID_MAX);
	int rc = -1;

	if (file_read(dirfd, ID_FILE, &text, e) == -1)
		goto out;
	buf_add(&text, "", 0);
	if (text.len < UUID_TEXT || text.data[UUID_TEXT - 1] != '\n') {
		(void)err_set(e, ERR_BROKEN, ID_FILE " holds no machine id");
		goto out;
	}
	text.data[UUID_TEXT - 1] = '\0';
	if (!uuid_read(id->machine_id, text.data)) {
		(void)err_set(e, ERR_BROKEN, ID_FILE " holds no machine id");
		goto out;
	}
	rc = 0;
out:
	buf_clear(&text);
	return rc;
}

/* A UUID of these bytes' digest. */
static void
uuid_of(char out[UUID_TEXT], const void *bytes, size_t len)
{
	static const int groups[] = { 4, 2, 2, 2, 6 };
	uint8_t digest[SHA256_BYTES];
	const uint8_t *from = digest;

	sha256(digest, bytes, len);
	for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
		encode_hex(out, from, (size_t)groups[i]);
		out += 2 * groups[i];
		from += groups[i];
		*out++ = '-';
	}
	out[-1] = '\0';
}

#ifdef TASKMILL_FAULTS
/* Tests reboot by another word in the environment (fault 51). */
static const char *
test_boot(void)
{
	const char *word = getenv("TASKMILL_TEST_BOOT");

	return word == NULL ? "" : word;
}
#else
static const char *
test_boot(void)
{
	return "";
}
#endif

static int
make_boot_id(struct identity *id, int dirfd, struct err *e)
{
	char boot[37], text[160];
	struct stat st;

	if (proc_boot_id(boot, e) == -1)
		return -1;
	if (fstatat(dirfd, ID_FILE, &st, AT_SYMLINK_NOFOLLOW) == -1)
		return err_sys(e, ERR_RETRY, ID_FILE);
	(void)snprintf(text, sizeof(text), "%s %ju %ju %.40s", boot,
	    (uintmax_t)st.st_dev, (uintmax_t)st.st_ino, test_boot());
	uuid_of(id->boot_id, text, strlen(text));
	return 0;
}

int
identity_open(struct identity *id, const char *state_dir, struct err *e)
{
	struct stat st;
	int rc = -1, dirfd;

	memset(id, 0, sizeof(*id));
	id->lock_fd = -1;
	dirfd = open(state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dirfd == -1)
		return err_sys(e, ERR_INVALID, "STATE_DIR %s", state_dir);
	if (check_local(dirfd, state_dir, e) == -1 ||
	    take_lock(id, dirfd, state_dir, e) == -1)
		goto out;
	if (fstatat(dirfd, ID_FILE, &st, AT_SYMLINK_NOFOLLOW) == -1 &&
	    make_id(dirfd, e) == -1)
		goto out;
	if (read_id(id, dirfd, e) == -1 || make_boot_id(id, dirfd, e) == -1)
		goto out;
	(void)snprintf(id->owner, sizeof(id->owner), "%s:%s", id->machine_id,
	    id->boot_id);
	rc = 0;
out:
	(void)close(dirfd);
	if (rc == -1)
		identity_close(id);
	return rc;
}

void
identity_close(struct identity *id)
{
	if (id->lock_fd >= 0)
		(void)close(id->lock_fd);
	id->lock_fd = -1;
}
