#include "exec/sandbox.h"

#include <string.h>

#include "exec/sandbox_impl.h"

/* All kinds there are. */
static const struct sandbox_kind *const kinds[] = { &sandbox_local,
	&sandbox_e2b };

static const struct sandbox_kind *
find_kind(const char *name, struct err *e)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (strcmp(kinds[i]->name, name) == 0)
			return kinds[i];
	}
	(void)err_set(e, ERR_INVALID, "there is no sandbox of the kind %s",
	    name);
	return NULL;
}

int
sandbox_open(struct sandbox **sb, const struct sandbox_spec *spec,
    struct err *e)
{
	const struct sandbox_kind *kind = find_kind(spec->kind, e);

	*sb = NULL;
	return kind == NULL ? -1 : kind->open(sb, spec, e);
}

const char *
sandbox_id(const struct sandbox *sb)
{
	return sb->kind->id(sb);
}

int
sandbox_run(struct sandbox *sb, const struct sandbox_cmd *cmd,
    struct sandbox_end *end, struct err *e)
{
	return sb->kind->run(sb, cmd, end, e);
}

int
sandbox_put(struct sandbox *sb, const char *path, const void *bytes, size_t len,
    unsigned int mode, struct err *e)
{
	return sb->kind->put(sb, path, bytes, len, mode, e);
}

int
sandbox_get(struct sandbox *sb, const char *path, struct buf *out,
    struct err *e)
{
	return sb->kind->get(sb, path, out, e);
}

void
sandbox_close(struct sandbox *sb)
{
	if (sb != NULL)
		sb->kind->close(sb);
}

int
sandbox_probe(const struct sandbox_spec *spec, char *how, size_t size,
    struct err *e)
{
	const struct sandbox_kind *kind = find_kind(spec->kind, e);

	return kind == NULL ? -1 : kind->probe(spec, how, size, e);
}
