#include "spool/spec.h"

#include <fcntl.h>
#include <limits.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "util/file.h"
#include "util/json.h"
#include "util/text.h"

#define SPEC_FILE "spec.json"
#define SPEC_MAX ((size_t)512 * 1024)

enum field_kind {
	F_TEXT,
	F_BOOL,
	F_LONG,
	F_UINT,
	F_INT64
};

struct field {
	const char *name;
	enum field_kind kind;
	size_t at;
	const char *missing; /* text when it is not there; NULL: it must be */
};

/* clang-format off */
#define FIELD(kind, name) { #name, kind, offsetof(struct spec, name), NULL }
#define MAYBE(kind, name, text) \
	{ #name, kind, offsetof(struct spec, name), text }
static const struct field fields[] = {
	FIELD(F_INT64, task_id),
	FIELD(F_UINT,  attempt),
	FIELD(F_TEXT,  prompt),
	FIELD(F_TEXT,  clone_url),
	FIELD(F_TEXT,  origin_url),
	FIELD(F_TEXT,  branch),
	FIELD(F_TEXT,  agent),
	FIELD(F_TEXT,  mode),
	FIELD(F_TEXT,  share_dir),
	FIELD(F_TEXT,  sandbox_dir),
	FIELD(F_TEXT,  ca_file),
	FIELD(F_TEXT,  isolation),
	FIELD(F_TEXT,  agent_kind),
	FIELD(F_BOOL,  agent_network),
	FIELD(F_TEXT,  sandbox_user),
	FIELD(F_LONG,  memory_mb),
	FIELD(F_LONG,  processes),
	FIELD(F_LONG,  open_files),
	FIELD(F_LONG,  file_mb),
	FIELD(F_LONG,  cpu_s),
	FIELD(F_LONG,  life_s),
	FIELD(F_LONG,  clone_limit_s),
	FIELD(F_LONG,  agent_limit_s),
	FIELD(F_LONG,  command_limit_s),
	FIELD(F_LONG,  output_max_bytes),
	FIELD(F_LONG,  patch_max_bytes),
	FIELD(F_LONG,  changed_files_max),
	FIELD(F_LONG,  cancel_grace_ms),
	MAYBE(F_TEXT,  job, "task"),
	MAYBE(F_TEXT,  base_commit, ""),
	MAYBE(F_TEXT,  head_branch, ""),
	MAYBE(F_INT64, completed_s, ""),
	MAYBE(F_TEXT,  agent_model, ""),
	MAYBE(F_TEXT,  agent_path, ""),
	MAYBE(F_TEXT,  agent_registry, ""),
	MAYBE(F_BOOL,  agent_github_token, ""),
	MAYBE(F_LONG,  agent_idle_s, ""),
	MAYBE(F_LONG,  agent_linger_s, ""),
	MAYBE(F_LONG,  agent_install_limit_s, ""),
	MAYBE(F_LONG,  agent_max_turns, ""),
	MAYBE(F_LONG,  agent_budget_cents, ""),
	MAYBE(F_TEXT,  e2b_template, ""),
	MAYBE(F_TEXT,  e2b_domain, ""),
	MAYBE(F_TEXT,  e2b_api_url, ""),
	MAYBE(F_TEXT,  e2b_sandbox_url, ""),
	MAYBE(F_TEXT,  e2b_ca_file, ""),
	MAYBE(F_BOOL,  e2b_allow_http, ""),
	MAYBE(F_TEXT,  e2b_deployment, ""),
	MAYBE(F_LONG,  e2b_create_s, ""),
	MAYBE(F_LONG,  e2b_busy_wait_s, ""),
	MAYBE(F_LONG,  e2b_quota_wait_s, ""),
	MAYBE(F_LONG,  e2b_silence_s, ""),
	MAYBE(F_TEXT,  log_level, "info"),
};
/* clang-format on */

#define FIELD_N (sizeof(fields) / sizeof(fields[0]))

void
spec_clear(struct spec *s)
{
	for (size_t i = 0; i < FIELD_N; i++) {
		if (fields[i].kind == F_TEXT)
			free(*(char **)((char *)s + fields[i].at));
	}
	*s = (struct spec){ 0 };
}

static void
put_field(struct json_out *j, const struct field *f, const void *value)
{
	switch (f->kind) {
	case F_TEXT:
		json_name_text(j, f->name,
		    *(char *const *)value == NULL ? f->missing
						  : *(char *const *)value);
		break;
	case F_BOOL:
		json_name_bool(j, f->name, *(const bool *)value);
		break;
	case F_LONG:
		json_name_int(j, f->name, *(const long *)value);
		break;
	case F_UINT:
		json_name_int(j, f->name, *(const unsigned int *)value);
		break;
	case F_INT64:
		json_name_int(j, f->name, *(const int64_t *)value);
		break;
	}
}

int
spec_write(int dirfd, const struct spec *s, struct err *e)
{
	struct buf text = BUF(SPEC_MAX);
	struct json_out j;
	int rc = -1;

	json_start(&j, &text);
	json_open(&j);
	json_name_int(&j, "version", SPEC_VERSION);
	for (size_t i = 0; i < FIELD_N; i++)
		put_field(&j, &fields[i], (const char *)s + fields[i].at);
	json_close(&j);
	buf_putc(&text, '\n');
	if (!buf_ok(&text)) {
		(void)err_set(e, ERR_INVALID, "a spec is larger than %zu bytes",
		    SPEC_MAX);
		goto out;
	}
	rc = file_replace(dirfd, SPEC_FILE, text.data, text.len, 0600, e);
out:
	buf_clear(&text);
	return rc;
}

/* Stores a number that is not negative and fits. False: it does not. */
static bool
set_number(const struct field *f, void *to, int64_t n)
{
	if (n < 0)
		return false;
	switch (f->kind) {
	case F_LONG:
		if (n > LONG_MAX)
			return false;
		*(long *)to = (long)n;
		return true;
	case F_UINT:
		if (n > UINT_MAX)
			return false;
		*(unsigned int *)to = (unsigned int)n;
		return true;
	default:
		*(int64_t *)to = n;
		return true;
	}
}

static int
get_field(struct json_object *o, const struct field *f, void *to, struct err *e)
{
	const char *s;
	size_t len;
	int64_t n;

	if (f->missing != NULL && !json_has(o, f->name))
		return f->kind == F_TEXT ? text_set(to, f->missing, e) : 0;
	if (f->kind == F_TEXT) {
		if (json_get_string(o, f->name, &s, &len) == JSON_FOUND)
			return text_set(to, s, e);
	} else if (f->kind == F_BOOL) {
		if (json_get_bool(o, f->name, to) == JSON_FOUND)
			return 0;
	} else if (json_get_int(o, f->name, &n) == JSON_FOUND &&
	    set_number(f, to, n)) {
		return 0;
	}
	return err_set(e, ERR_BROKEN, "spec: %s is missing or not valid",
	    f->name);
}

static int
read_fields(struct json_object *o, struct spec *s, struct err *e)
{
	int64_t version;

	if (!json_is_object(o) ||
	    json_get_int(o, "version", &version) != JSON_FOUND)
		return err_set(e, ERR_BROKEN, "spec: no version");
	if (version != SPEC_VERSION)
		return err_set(e, ERR_BROKEN,
		    "spec: version %lld is not one that this program knows",
		    (long long)version);
	for (size_t i = 0; i < FIELD_N; i++) {
		if (get_field(o, &fields[i], (char *)s + fields[i].at, e) == -1)
			return -1;
	}
	return 0;
}

int
spec_read(int dirfd, struct spec *s, struct err *e)
{
	struct buf text = BUF(SPEC_MAX);
	struct json_object *o = NULL;
	int rc = -1;

	*s = (struct spec){ 0 };
	if (file_read_beneath(dirfd, SPEC_FILE, &text, e) == -1 ||
	    json_read(&o, text.data == NULL ? "" : text.data, text.len, e) ==
		-1) {
		if (e->kind == ERR_INVALID || e->kind == ERR_ABSENT)
			e->kind = ERR_BROKEN;
		(void)err_wrap(e, "spec");
		goto out;
	}
	if (read_fields(o, s, e) == -1) {
		spec_clear(s);
		goto out;
	}
	rc = 0;
out:
	json_free(o);
	buf_clear(&text);
	return rc;
}
