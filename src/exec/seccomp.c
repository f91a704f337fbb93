/*
 * The system calls that a sandboxed command is denied (B5). A list of what is
 * forbidden, not of what is allowed: an agent may be any program. It takes
 * away attack surface of the kernel; what a command can reach is decided by
 * the namespaces.
 */
#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "exec/local.h"

static const int denied[] = {
	SCMP_SYS(acct),
	SCMP_SYS(add_key),
	SCMP_SYS(bpf),
	SCMP_SYS(chroot),
	SCMP_SYS(delete_module),
	SCMP_SYS(finit_module),
	SCMP_SYS(fsconfig),
	SCMP_SYS(fsmount),
	SCMP_SYS(fsopen),
	SCMP_SYS(fspick),
	SCMP_SYS(init_module),
	SCMP_SYS(io_uring_enter),
	SCMP_SYS(io_uring_register),
	SCMP_SYS(io_uring_setup),
	SCMP_SYS(kcmp),
	SCMP_SYS(kexec_file_load),
	SCMP_SYS(kexec_load),
	SCMP_SYS(keyctl),
	SCMP_SYS(lookup_dcookie),
	SCMP_SYS(mount),
	SCMP_SYS(mount_setattr),
	SCMP_SYS(move_mount),
	SCMP_SYS(name_to_handle_at),
	SCMP_SYS(open_by_handle_at),
	SCMP_SYS(open_tree),
	SCMP_SYS(perf_event_open),
	SCMP_SYS(pidfd_getfd),
	SCMP_SYS(pivot_root),
	SCMP_SYS(process_madvise),
	SCMP_SYS(process_vm_readv),
	SCMP_SYS(process_vm_writev),
	SCMP_SYS(ptrace),
	SCMP_SYS(quotactl),
	SCMP_SYS(reboot),
	SCMP_SYS(request_key),
	SCMP_SYS(setns),
	SCMP_SYS(settimeofday),
	SCMP_SYS(swapoff),
	SCMP_SYS(swapon),
	SCMP_SYS(syslog),
	SCMP_SYS(umount2),
	SCMP_SYS(unshare),
	SCMP_SYS(userfaultfd),
	SCMP_SYS(vhangup),
};

static int
deny(scmp_filter_ctx ctx, int call)
{
	int rc = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), call, 0);

	/* A call that this architecture does not have needs no rule. */
	return rc == -EDOM || rc == -EOPNOTSUPP ? 0 : rc;
}

static int
add_rules(scmp_filter_ctx ctx)
{
	int rc;

	for (size_t i = 0; i < sizeof(denied) / sizeof(denied[0]); i++) {
		if ((rc = deny(ctx, denied[i])) != 0)
			return rc;
	}
	/* clone3 hides its flags from us: programs fall back to clone. */
	rc = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
	if (rc != 0)
		return rc;
	rc = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(clone), 1,
	    SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_NEWUSER, CLONE_NEWUSER));
	if (rc != 0)
		return rc;
	/* Typing into a terminal (B4); only the low half counts to the kernel.
	 */
	return seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(ioctl), 1,
	    SCMP_A1(SCMP_CMP_MASKED_EQ, 0xffffffffu, TIOCSTI));
}

int
seccomp_filter_new(int *out, struct err *e)
{
	scmp_filter_ctx ctx;
	int fd = -1, rc = -1;

	*out = -1;
	if ((ctx = seccomp_init(SCMP_ACT_ALLOW)) == NULL)
		return err_set(e, ERR_RETRY, "out of memory for a filter");
	if (add_rules(ctx) != 0) {
		(void)err_set(e, ERR_BROKEN, "cannot make a seccomp filter");
		goto out;
	}
	if ((fd = memfd_create("seccomp", MFD_CLOEXEC)) == -1) {
		(void)err_sys(e, ERR_RETRY, "memory file for a filter");
		goto out;
	}
	if (seccomp_export_bpf(ctx, fd) != 0 || lseek(fd, 0, SEEK_SET) == -1) {
		(void)err_set(e, ERR_BROKEN, "cannot write a seccomp filter");
		goto out;
	}
	*out = fd;
	fd = -1;
	rc = 0;
out:
	if (fd != -1)
		(void)close(fd);
	seccomp_release(ctx);
	return rc;
}
