#include "engine/outcome.h"

#include <stdio.h>
#include <string.h>

#include "util/utf8.h"

/* result.json and metadata.json: 10,000 file names of some length. */
#define SMALL_MAX ((size_t)8 * 1024 * 1024)

/* For the statement around the values. */
#define PACKET_SLACK ((size_t)64 * 1024)
#define PACKET_DEFAULT ((size_t)16 * 1024 * 1024)

static const char marker[] =
    "\n[The rest of this diff is too long to be shown; the patch has all of "
    "it.]\n";

static size_t
length(const char *s)
{
	return s == NULL ? 0 : strlen(s);
}

static void
fill(struct outcome *o)
{
	const struct spool_result *r = &o->from;
	enum task_state state = task_state_of(r->outcome);

	o->result = (struct task_result){
		.outcome = state,
		.failure = state == TASK_FAILED
		    ? failure_of(r->failure == NULL ? "" : r->failure)
		    : FAILURE_NONE,
		.error = state == TASK_COMPLETED ? NULL : r->error,
		.commit_hash = r->commit_hash,
		.container_id = r->sandbox_id,
		.git_diff = r->diff,
		.git_diff_len = r->diff_len,
		.git_patch = r->patch,
		.git_patch_len = r->patch_len,
		.changed_files = r->changed_files,
		.changed_files_len = length(r->changed_files),
		.message = r->message,
		.message_len = length(r->message),
		.metadata = r->metadata,
		.metadata_len = length(r->metadata),
	};
}

static void
too_large(struct outcome *o, size_t bytes, size_t most)
{
	struct task_result *t = &o->result;

	(void)snprintf(o->text, sizeof(o->text),
	    "The result has %zu bytes, more than the database takes at a time "
	    "(max_allowed_packet allows %zu)",
	    bytes, most);
	t->outcome = TASK_FAILED;
	t->failure = FAILURE_TOO_LARGE;
	t->error = o->text;
	t->git_diff = t->git_patch = t->changed_files = t->message = NULL;
	t->git_diff_len = t->git_patch_len = 0;
	t->changed_files_len = t->message_len = 0;
	t->commit_hash = NULL;
}

static int
cut_diff(struct outcome *o, size_t most, struct err *e)
{
	struct task_result *t = &o->result;
	size_t keep = most > sizeof(marker) ? most - sizeof(marker) : 0;

	o->cut.max = keep + sizeof(marker);
	buf_add(&o->cut, t->git_diff, utf8_whole(t->git_diff, keep));
	buf_puts(&o->cut, marker);
	if (!buf_ok(&o->cut))
		return err_set(e, ERR_RETRY, "out of memory for a diff");
	t->git_diff = o->cut.data;
	t->git_diff_len = o->cut.len;
	return 0;
}

/* C13: a packet that is too long costs the connection. */
static int
fit(struct outcome *o, size_t most, struct err *e)
{
	const struct task_result *t = &o->result;
	size_t rest = t->git_patch_len + t->changed_files_len + t->message_len +
	    t->metadata_len;

	if (rest + sizeof(marker) > most)
		too_large(o, rest + t->git_diff_len, most);
	else if (rest + t->git_diff_len > most)
		return cut_diff(o, most - rest, e);
	return 0;
}

int
outcome_read(struct outcome *o, int dirfd, const struct config *c,
    uint64_t max_packet, struct err *e)
{
	const struct spool_result_limits limits = {
		.patch_max = (size_t)c->patch_max_bytes,
		.small_max = SMALL_MAX,
	};
	size_t packet = max_packet == 0 ? PACKET_DEFAULT : (size_t)max_packet;

	memset(o, 0, sizeof(*o));
	if (spool_result_read(dirfd, &limits, &o->from, e) == -1)
		return -1;
	fill(o);
	if (!task_state_final(o->result.outcome))
		return err_set(e, ERR_BROKEN, "a result that is no end");
	return fit(o,
	    packet > 2 * PACKET_SLACK ? packet - PACKET_SLACK : packet / 2, e);
}

void
outcome_clear(struct outcome *o)
{
	spool_result_clear(&o->from);
	buf_clear(&o->cut);
	memset(&o->result, 0, sizeof(o->result));
}
