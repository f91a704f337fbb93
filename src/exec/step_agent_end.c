/* What came of the agent, in words that its user can act on. */
#include <stdio.h>
#include <string.h>

#include "exec/step_agent.h"
#include "util/text.h"
#include "util/utf8.h"

#define MISSING 127
#define NAMES_MAX 300

/* What each class of an agent's failure means, and what to do. */
/* clang-format off */
static const struct {
	const char *failure;
	const char *before, *after; /* its title */
	bool keys;                  /* and then the names of its keys */
} meanings[] = {
	{ "agent_key",
	  "The service of ", " rejects its key, or the key may not do this. "
	  "The administrator has to set a valid one", true },
	{ "agent_quota",
	  "The account that ", " uses is out of credit, or over its quota. "
	  "The administrator has to look after the account of the key", true },
	{ "agent_rate",
	  "The service of ", " is overloaded, or limits the rate. "
	  "Start the task again in a while", false },
	{ "agent_limit",
	  "", " stopped at a limit of this installation "
	  "(AGENT_MAX_TURNS, AGENT_BUDGET_CENTS)", false },
};
/* clang-format on */

/* The names of the keys that it may have: "A or B". */
static void
key_names(const struct pipeline *p, char out[NAMES_MAX])
{
	char *const *names =
	    p->agent.needs[0] != NULL ? p->agent.needs : p->agent.env;
	size_t n = 0;

	(void)snprintf(out, NAMES_MAX, "no key is known");
	for (size_t i = 0; names[i] != NULL && n < NAMES_MAX; i++) {
		int more = snprintf(out + n, NAMES_MAX - n, "%s%s",
		    i == 0 ? "" : " or ", names[i]);

		n += more < 0 ? 0 : (size_t)more;
	}
}

static bool
has_key(const struct pipeline *p, const char *name)
{
	size_t len = strlen(name);

	for (size_t i = 0; i < SECRETS_ENV_MAX; i++) {
		const char *pair = p->secrets->env[i];

		if (pair != NULL && strncmp(pair, name, len) == 0 &&
		    pair[len] == '=')
			return true;
	}
	return false;
}

int
agent_check_keys(struct pipeline *p, struct err *e)
{
	char names[NAMES_MAX];

	if (p->agent.needs[0] == NULL)
		return 0;
	for (size_t i = 0; p->agent.needs[i] != NULL; i++) {
		if (has_key(p, p->agent.needs[i]))
			return 0;
	}
	key_names(p, names);
	return pipeline_fail(p, "agent_key", e,
	    "There is no key for %s. The administrator has to set one (%s).",
	    agent_title(p), names);
}

/* The last lines of a text, clean, at most AGENT_TAIL_MAX bytes. */
static void
copy_tail(struct buf *out, const char *text, size_t len)
{
	size_t skip = len > AGENT_TAIL_MAX ? len - AGENT_TAIL_MAX : 0;

	/* Not from the middle of a character, and not an empty end. */
	while (skip > 0 && skip < len && (text[skip] & 0xc0) == 0x80)
		skip++;
	while (len > skip && (text[len - 1] == '\n' || text[len - 1] == ' '))
		len--;
	if (len > skip)
		utf8_clean(out, text + skip, len - skip);
}

/* Its own reason, else the end of what it printed (D19). */
static void
last_words(const struct agent_listener *l, struct buf *said)
{
	const struct agent_report *r = &l->p->report;

	if (r->reason[0] != '\0')
		buf_puts(said, r->reason);
	else if (l->tail.len > 0)
		copy_tail(said, l->tail.data, l->tail.len);
	else
		copy_tail(said, r->words, strlen(r->words));
}

static int
fail_missing(struct pipeline *p, const char *said, struct err *e)
{
	if (pipeline_in_cloud(p))
		return pipeline_fail(p, "agent_missing", e,
		    "%s is missing in the sandbox: %s. The administrator can "
		    "build a template that has it (share/e2b-template).",
		    agent_title(p), said);
	return pipeline_fail(p, "agent_missing", e,
	    "%s is missing on this machine: %s. The administrator has to "
	    "install it below /usr, or in a folder that "
	    "SIMULATION_AGENT_PATH names.",
	    agent_title(p), said);
}

/* Ends the run by a class that has a text of its own; false: it has none. */
static bool
fail_by_class(struct pipeline *p, const char *said, struct err *e)
{
	size_t i = 0, n = sizeof(meanings) / sizeof(meanings[0]);
	char names[NAMES_MAX];

	while (i < n && strcmp(meanings[i].failure, p->report.failure) != 0)
		i++;
	if (i == n)
		return false;
	key_names(p, names);
	(void)!pipeline_fail(p, meanings[i].failure, e, "%s%s%s%s%s%s.%s%s",
	    meanings[i].before, agent_title(p), meanings[i].after,
	    meanings[i].keys ? " (" : "", meanings[i].keys ? names : "",
	    meanings[i].keys ? ")" : "",
	    said[0] == '\0' ? "" : " It said: ", said);
	return true;
}

static int
fail_agent(const struct agent_listener *l, int code, struct err *e)
{
	struct buf said = BUF(4 * AGENT_TAIL_MAX);
	struct pipeline *p = l->p;
	const char *words;
	int rc = 0;

	last_words(l, &said);
	words = said.len > 0 ? said.data : "";
	if (code == MISSING && !l->printed)
		rc = fail_missing(p, words, e);
	else if (fail_by_class(p, words, e))
		rc = p->result->error == NULL ? -1 : 0;
	else if (code != 0)
		rc = pipeline_fail(p, "agent_failed", e,
		    "The agent failed with status %d%s%s", code,
		    said.len > 0 ? ": " : ".", words);
	else
		rc = pipeline_fail(p, "agent_failed", e,
		    "The agent ended without success%s%s",
		    said.len > 0 ? ": " : ".", words);
	buf_clear(&said);
	return rc;
}

/* It was silent for too long: what it last said may tell why. */
static int
fail_idle(const struct agent_listener *l, struct err *e)
{
	struct buf said = BUF(4 * AGENT_TAIL_MAX);
	int rc;

	last_words(l, &said);
	rc = pipeline_fail(l->p, "timeout", e,
	    "The agent printed nothing for %ld seconds and was stopped, which "
	    "is the limit (AGENT_IDLE_S)%s%s",
	    l->p->spec->agent_idle_s, said.len > 0 ? ". Its last words: " : ".",
	    said.len > 0 ? said.data : "");
	buf_clear(&said);
	return rc;
}

/*
 * True if it had said how it ended, and only would not go: what it has done
 * counts (B4).
 */
static bool
has_lingered(const struct agent_listener *l, const struct sandbox_end *end)
{
	return end->cut_off && agent_output_finished(l->reader);
}

static int
note_lingered(struct pipeline *p, struct err *e)
{
	return spool_note(p->spool, "note",
	    "The agent had finished but did not end, so it was ended "
	    "(AGENT_LINGER_S).",
	    e);
}

void
agent_put_report(const struct pipeline *p, struct json_out *j)
{
	const struct agent_report *r = &p->report;
	const char *model = r->model;

	if (r->words == NULL)
		return; /* it has not run to an end */
	if (model[0] == '\0' && p->spec->agent_model != NULL)
		model = p->spec->agent_model;
	if (r->version[0] != '\0')
		json_name_text(j, "agent_version", r->version);
	if (model[0] != '\0')
		json_name_text(j, "agent_model", model);
	if (p->agent.rules == NULL)
		return;
	json_name(j, "usage");
	json_open(j);
	if (r->session[0] != '\0')
		json_name_text(j, "session", r->session);
	json_name_int(j, "input_tokens", r->input_tokens);
	json_name_int(j, "cached_tokens", r->cached_tokens);
	json_name_int(j, "output_tokens", r->output_tokens);
	json_name_int(j, "reasoning_tokens", r->reasoning_tokens);
	json_name_int(j, "turns", r->turns);
	if (r->cost_micro_usd >= 0)
		json_name_int(j, "cost_micro_usd", r->cost_micro_usd);
	json_close(j);
}

int
agent_judge(struct agent_listener *l, const struct sandbox_end *end,
    struct err *e)
{
	struct pipeline *p = l->p;
	bool lingered = has_lingered(l, end);
	int code = lingered ? 0 : end->code;

	words_end(&l->words);
	if (spool_output_end(p->spool, e) == -1 ||
	    (lingered && note_lingered(p, e) == -1) ||
	    agent_output_end(l->reader, code, &p->report, e) == -1)
		return -1;
	if (p->report.words[0] != '\0' &&
	    text_set(&p->result->message, p->report.words, e) == -1)
		return -1;
	if (end->early && !lingered)
		return fail_idle(l, e);
	if (!lingered &&
	    pipeline_cut(p, end, "The agent", "AGENT_TIMEOUT_S", e))
		return 0;
	if (!p->report.success)
		return fail_agent(l, code, e);
	return 0;
}
