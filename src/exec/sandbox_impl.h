#ifndef EXEC_SANDBOX_IMPL_H
#define EXEC_SANDBOX_IMPL_H

#include "exec/sandbox.h"

/*
 * One kind of sandbox: what stands behind the calls of exec/sandbox.h, which
 * see for what each must do. Every kind's struct begins with a struct sandbox.
 */
struct sandbox_kind {
	const char *name;
	int (*open)(struct sandbox **sb, const struct sandbox_spec *spec,
	    struct err *e);
	const char *(*id)(const struct sandbox *sb);
	int (*run)(struct sandbox *sb, const struct sandbox_cmd *cmd,
	    struct sandbox_end *end, struct err *e);
	int (*put)(struct sandbox *sb, const char *path, const void *bytes,
	    size_t len, unsigned int mode, struct err *e);
	int (*get)(struct sandbox *sb, const char *path, struct buf *out,
	    struct err *e);
	void (*close)(struct sandbox *sb);
	int (*probe)(const struct sandbox_spec *spec, char *how, size_t size,
	    struct err *e);
};

struct sandbox {
	const struct sandbox_kind *kind;
};

extern const struct sandbox_kind sandbox_local;
extern const struct sandbox_kind sandbox_e2b;

#endif
