#include "cmd/cmd.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "cmd/admin.h"
#include "cmd/import_check.h"
#include "cmd/options.h"
#include "util/log.h"

static const char usage[] =
    "usage: taskmill import [--user ADDRESS|ID] [--dry-run] [--config FILE] "
    "FILE...\n\n"
    "Takes over what the system before has kept: its tables users, projects\n"
    "and tasks, as CSV with a header or as JSON, and its old file of tasks\n"
    "(tasks_backup.json), whose tasks go to --user. The order of the files\n"
    "does not matter. What is skipped is named with its line and the reason;\n"
    "a second run imports what the first one could not, and nothing twice.\n"
    "Tokens and passwords are never imported.\n";

/* Of one transaction, whichever comes first. */
#define BATCH_ROWS 100
#define BATCH_BYTES ((size_t)8 * 1024 * 1024)

struct tally {
	unsigned long done, before, joined, skipped;
};

struct import_run {
	struct admin admin;
	struct import_known *dry;
	char user_id[37]; /* "" without --user */
	struct tally tally[IMPORT_KIND_N];

	struct import_checked *rows[BATCH_ROWS];
	size_t count;
	size_t bytes;
};

static const char *
why_not(enum import_end end)
{
	switch (end) {
	case IMPORT_NO_USER:
		return "its user is not here; import the users first";
	case IMPORT_NO_PROJECT:
		return "its project is not here; import the projects first";
	case IMPORT_PROJECT_GONE:
		return "its project was imported and has been deleted here";
	case IMPORT_FOREIGN_PROJECT:
		return "its project belongs to another user";
	case IMPORT_TOO_LARGE:
		return "it is larger than the database takes "
		       "(max_allowed_packet)";
	case IMPORT_UNCHECKED: /* say_unchecked() */
	case IMPORT_DONE:
	case IMPORT_BEFORE:
	case IMPORT_JOINED:
	case IMPORT_END_N:
		break;
	}
	return NULL;
}

static void
say_skipped(struct import_run *run, const struct import_file *f, size_t line,
    const char *why)
{
	run->tally[f->kind].skipped++;
	(void)printf("%s:%zu: skipped: %s\n", f->name, line, why);
}

static void
say_unchecked(struct import_run *run, const struct import_file *f,
    const struct import_checked *c)
{
	char why[240];

	(void)snprintf(why, sizeof(why),
	    "the account %s made itself with this address; if it is his, run "
	    "\"taskmill user confirm %s\" and import again",
	    c->item.new_id, c->item.new_id);
	say_skipped(run, f, c->record.line, why);
}

static void
say_end(struct import_run *run, const struct import_file *f,
    const struct import_checked *c)
{
	const struct import_item *it = &c->item;
	struct tally *t = &run->tally[it->kind];
	const char *why = why_not(it->end);

	if (it->end == IMPORT_UNCHECKED) {
		say_unchecked(run, f, c);
		return;
	}
	if (why != NULL) {
		say_skipped(run, f, c->record.line, why);
		return;
	}
	t->done += it->end == IMPORT_DONE;
	t->before += it->end == IMPORT_BEFORE;
	t->joined += it->end == IMPORT_JOINED;
	if (it->end == IMPORT_JOINED)
		(void)printf("%s:%zu: %s %s is %s here\n", f->name,
		    c->record.line, import_kind_name(it->kind), it->legacy_id,
		    it->new_id);
	else if (it->end == IMPORT_DONE && run->dry == NULL &&
	    it->wanted_id != 0 &&
	    strtoll(it->new_id, NULL, 10) != it->wanted_id)
		(void)printf("%s:%zu: %s %lld has the id %s here\n", f->name,
		    c->record.line, import_kind_name(it->kind),
		    (long long)it->wanted_id, it->new_id);
}

static void
drop_row(struct import_checked *c)
{
	if (c == NULL)
		return;
	import_checked_clear(c);
	free(c);
}

/* Writes what has been collected. */
static int
flush(struct import_run *run, const struct import_file *f, struct err *e)
{
	struct import_item *items[BATCH_ROWS];
	int rc = 0;

	for (size_t i = 0; i < run->count; i++)
		items[i] = &run->rows[i]->item;
	if (run->count > 0)
		rc =
		    import_batch(run->admin.db, items, run->count, run->dry, e);
	for (size_t i = 0; i < run->count; i++) {
		if (rc == 0)
			say_end(run, f, run->rows[i]);
		drop_row(run->rows[i]);
	}
	run->count = 0;
	run->bytes = 0;
	return rc;
}

/* Two of one kind with one id in a batch would stand in each other's way. */
static bool
is_repeated(const struct import_run *run, const struct import_checked *c)
{
	for (size_t i = 0; i < run->count; i++)
		if (strcmp(run->rows[i]->item.legacy_id, c->item.legacy_id) ==
		    0)
			return true;
	return false;
}

/* Takes c over. */
static int
add_row(struct import_run *run, const struct import_file *f,
    struct import_checked *c, struct err *e)
{
	run->rows[run->count++] = c;
	run->bytes += c->record.text.len;
	if (run->count < BATCH_ROWS && run->bytes < BATCH_BYTES)
		return 0;
	return flush(run, f, e);
}

static void
say_unknown_columns(const struct import_file *f, const struct record *r)
{
	const char *name;

	for (size_t i = 0; (name = import_file_unknown_column(r, i)) != NULL;
	     i++)
		(void)printf("%s: the column %s is not imported\n", f->name,
		    name);
}

/* One record: 1, 0 at the end, -1. */
static int
take_record(struct import_run *run, struct import_file *f, bool first,
    struct err *e)
{
	const struct import_hints hints = { f->kind,
		run->user_id[0] == '\0' ? NULL : run->user_id };
	struct import_checked *c = calloc(1, sizeof(*c));
	struct err why = { 0 };
	int got, rc = -1;

	if (c == NULL)
		return err_sys(e, ERR_RETRY, "import");
	got = import_file_next(f, &c->record, &why);
	if (got == -1) {
		run->tally[f->kind].skipped++;
		(void)printf("%s: %s; the rest of the file is not read\n",
		    f->name, why.text);
	}
	if (got != 1 && got != 2) {
		rc = 0;
		goto out;
	}
	if (first && got == 1)
		say_unknown_columns(f, &c->record);
	if (got == 2 || import_check(c, &hints, &why) == -1) {
		say_skipped(run, f, c->record.line, why.text);
		rc = 1;
		goto out;
	}
	if (is_repeated(run, c) && flush(run, f, e) == -1)
		goto out;
	rc = add_row(run, f, c, e) == -1 ? -1 : 1;
	c = NULL;
out:
	drop_row(c);
	return rc;
}

static int
import_file(struct import_run *run, struct import_file *f, struct err *e)
{
	bool first = true;
	int got;

	while ((got = take_record(run, f, first, e)) == 1)
		first = false;
	if (got == 0)
		got = flush(run, f, e);
	if (got == -1)
		return err_wrap(e, "%s", f->name);
	return 0;
}

/* Users before projects before tasks, whatever order they were named in. */
static int
import_files(struct import_run *run, struct import_file *files, size_t n,
    struct err *e)
{
	for (int kind = IMPORT_USER; kind < IMPORT_KIND_N; kind++)
		for (size_t i = 0; i < n; i++)
			if (files[i].kind == (enum import_kind)kind &&
			    import_file(run, &files[i], e) == -1)
				return -1;
	return 0;
}

static int
say_tally(const struct import_run *run)
{
	unsigned long skipped = 0;

	for (int kind = 0; kind < IMPORT_KIND_N; kind++) {
		const struct tally *t = &run->tally[kind];

		if (t->done + t->before + t->joined + t->skipped == 0)
			continue;
		(void)printf("%ss: %lu %s, %lu before, %lu here already,"
			     " %lu skipped\n",
		    import_kind_name((enum import_kind)kind), t->done,
		    run->dry != NULL ? "would be imported" : "imported",
		    t->before, t->joined, t->skipped);
		skipped += t->skipped;
	}
	if (fflush(stdout) != 0)
		return EX_IOERR;
	return skipped == 0 ? EX_OK : EX_DATAERR;
}

/* For the audit log; a run that changed nothing leaves no trace. */
static int
note_down(struct import_run *run, struct err *e)
{
	unsigned long changed = 0;
	char detail[300] = "";
	size_t n = 0;

	for (int kind = 0; kind < IMPORT_KIND_N && n < sizeof(detail); kind++) {
		const struct tally *t = &run->tally[kind];

		changed += t->done + t->joined;
		n += (size_t)snprintf(detail + n, sizeof(detail) - n,
		    "%s%ss %lu", n == 0 ? "" : ", ",
		    import_kind_name((enum import_kind)kind),
		    t->done + t->joined);
	}
	if (run->dry != NULL || changed == 0)
		return 0;
	return admin_audit(&run->admin, "import",
	    run->user_id[0] == '\0' ? NULL : run->user_id, detail, e);
}

struct import_args {
	const char *config;
	const char *user;
	bool dry_run;
};

static int
prepare(struct import_run *run, const struct import_args *args, struct err *e)
{
	struct user_row u;

	if (admin_check_schema(&run->admin, e) == -1)
		return -1;
	if (args->user != NULL) {
		if (admin_find_user(&run->admin, args->user, &u, e) == -1)
			return err_wrap(e, "--user %s", args->user);
		(void)snprintf(run->user_id, sizeof(run->user_id), "%s", u.id);
	}
	return args->dry_run ? import_known_new(&run->dry, e) : 0;
}

static int
run_import(struct import_run *run, const struct import_args *args, char **paths,
    size_t n)
{
	struct import_file *files = calloc(n, sizeof(*files));
	struct err e = { 0 };
	int status = -1;
	size_t i;

	if (files == NULL) {
		err_sys(&e, ERR_RETRY, "import");
		return cmd_fail("import", &e);
	}
	if (prepare(run, args, &e) == -1)
		goto out;
	for (i = 0; i < n; i++)
		if (import_file_open(&files[i], paths[i], &e) == -1)
			goto out;
	if (import_files(run, files, n, &e) == -1)
		(void)say_tally(run);
	else if (note_down(run, &e) == 0)
		status = say_tally(run);
out:
	for (i = 0; i < n; i++)
		import_file_close(&files[i]);
	free(files);
	return status == -1 ? cmd_fail("import", &e) : status;
}

#define AT(field) offsetof(struct import_args, field)

static const struct option_row rows[] = {
	{ "config", OPTION_TEXT, AT(config), 0, 0, 0 },
	{ "user", OPTION_TEXT, AT(user), 0, 0, 0 },
	{ "dry-run", OPTION_FLAG, AT(dry_run), 0, 0, 0 },
};

int
cmd_import(int argc, char **argv)
{
	static const struct command_line line = COMMAND_LINE(usage, rows);
	struct import_args args = { 0 };
	struct import_run *run;
	struct err e = { 0 };
	int status;

	if (!options_read(&line, &args, argc, argv, &status))
		return status;
	if (optind == argc)
		return cmd_usage(usage);
	if ((run = calloc(1, sizeof(*run))) == NULL) {
		err_sys(&e, ERR_RETRY, "import");
		return cmd_fail("import", &e);
	}
	if (admin_open(&run->admin, args.config, &e) == -1) {
		free(run);
		return cmd_fail("import", &e);
	}
	status = run_import(run, &args, argv + optind, (size_t)(argc - optind));
	import_known_free(run->dry);
	admin_close(&run->admin);
	free(run);
	return status;
}
