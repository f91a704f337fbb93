#include "cmd/cmd.h"

#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "cmd/admin.h"
#include "cmd/cloud_config.h"
#include "cmd/options.h"
#include "exec/cloud.h"
#include "store/standing.h"
#include "util/json.h"
#include "util/net.h"

static const char usage[] =
    "usage: taskmill sandbox list [--json] [--any-deployment] [--config FILE]\n"
    "       taskmill sandbox kill [--config FILE] ID...\n"
    "       taskmill sandbox kill [--config FILE] --orphans | --all\n"
    "       taskmill sandbox pause [--config FILE] ID...\n\n"
    "list shows the E2B sandboxes of this deployment (or of every taskmill in\n"
    "the account) and whose they are: \"live\", its task is at work on it;\n"
    "\"orphan\", its attempt is over; \"unknown\", the database has no such\n"
    "attempt; \"other\", of another deployment. kill ends some of this\n"
    "deployment's, at once and without asking: those named, the orphans, or\n"
    "all; a task whose sandbox is ended fails, or is tried again. pause makes\n"
    "them stand still; a task that is at work on one wakes it again.\n\n"
    "Exit status: 0 done, 67 an ID is not of a sandbox of this deployment, 75\n"
    "E2B or the database is away or did not do it, 77 E2B rejects the key, 78\n"
    "the configuration is wrong or has no E2B_API_KEY.\n";

enum whose {
	WHOSE_OTHER,
	WHOSE_LIVE,
	WHOSE_ORPHAN,
	WHOSE_UNKNOWN,
	WHOSE_UNASKED /* the database is away */
};

static const char *const whose_names[] = {
	[WHOSE_OTHER] = "other",
	[WHOSE_LIVE] = "live",
	[WHOSE_ORPHAN] = "orphan",
	[WHOSE_UNKNOWN] = "unknown",
	[WHOSE_UNASKED] = "?",
};

struct sandbox_args {
	const char *config;
	bool json, any, orphans, all;
	char **ids;
	size_t id_count;
};

/* One command on its way. */
struct sandbox_work {
	struct admin a;
	const struct sandbox_args *args;
	struct cloud *cloud;
	struct sandbox_host host;
	struct json_out j;
	struct err unasked; /* why the database could not be asked */
	struct err failed;  /* the last kill that did not work */
	bool *found;        /* of each named */
	unsigned int left;

	/* What is done to those that are meant. */
	int (*act)(struct cloud *c, const char *id, struct err *e);
};

static enum whose
whose(struct sandbox_work *w, const struct cloud_box *box)
{
	const struct hold h = { box->task_id, box->attempt };
	enum standing s = STANDING_UNKNOWN;

	if (!box->ours)
		return WHOSE_OTHER;
	if (!box->marked)
		return WHOSE_UNKNOWN;
	if (w->unasked.kind != ERR_NONE ||
	    standing_of(w->a.db, &h, &s, &w->unasked) == -1)
		return WHOSE_UNASKED;
	return s == STANDING_LIVE ? WHOSE_LIVE
	    : s == STANDING_OVER  ? WHOSE_ORPHAN
				  : WHOSE_UNKNOWN;
}

static void
print_json(struct json_out *j, const struct cloud_box *box, enum whose who)
{
	json_open(j);
	json_name_text(j, "id", box->id);
	json_name(j, "task_id");
	if (box->marked)
		json_int(j, box->task_id);
	else
		json_null(j);
	json_name(j, "attempt");
	if (box->marked)
		json_int(j, box->attempt);
	else
		json_null(j);
	json_name_text(j, "state", box->paused ? "paused" : "running");
	json_name_text(j, "started_at", box->started);
	json_name_text(j, "ends_at", box->ends);
	json_name_text(j, "template", box->template_id);
	json_name_text(j, "deployment", box->deployment);
	json_name_text(j, "owner",
	    who == WHOSE_UNASKED ? NULL : whose_names[who]);
	json_close(j);
}

static void
print_text(const struct cloud_box *box, enum whose who)
{
	char task[24] = "-", attempt[16] = "-";

	if (box->marked) {
		(void)snprintf(task, sizeof(task), "%jd",
		    (intmax_t)box->task_id);
		(void)snprintf(attempt, sizeof(attempt), "%u", box->attempt);
	}
	(void)printf("%-22s  %8s  %7s  %-7s  %-20.19s  %-20.19s  %-12s  %s\n",
	    box->id, task, attempt, box->paused ? "paused" : "running",
	    box->started, box->ends, box->template_id, whose_names[who]);
}

static int
list_box(void *ctx, const struct cloud_box *box, struct err *e)
{
	struct sandbox_work *w = ctx;
	enum whose who = whose(w, box);

	(void)e;
	if (w->args->json)
		print_json(&w->j, box, who);
	else
		print_text(box, who);
	return 0;
}

static int
list(struct sandbox_work *w, struct err *e)
{
	struct buf b = BUF((size_t)16 << 20);
	int rc = -1;

	json_start(&w->j, &b);
	if (w->args->json)
		json_open_array(&w->j);
	else
		(void)printf("%-22s  %8s  %7s  %-7s  %-20s  %-20s  %-12s  %s\n",
		    "ID", "TASK", "ATTEMPT", "STATE", "STARTED", "ENDS",
		    "TEMPLATE", "OWNER");
	if (cloud_list(w->cloud, w->args->any, list_box, w, e) == -1)
		goto out;
	if (w->args->json)
		json_close_array(&w->j);
	if (!buf_ok(&b)) {
		err_set(e, ERR_RETRY, "out of memory");
		goto out;
	}
	if (w->args->json)
		(void)puts(b.data);
	rc = 0;
out:
	buf_clear(&b);
	if (rc == 0 && w->unasked.kind != ERR_NONE) {
		*e = w->unasked;
		rc = err_wrap(e, "whose they are is not known");
	}
	return rc;
}

/* Asked for by name; notes down that it was met. */
static bool
is_named(struct sandbox_work *w, const char *id)
{
	bool named = false;

	for (size_t i = 0; i < w->args->id_count; i++)
		if (strcmp(w->args->ids[i], id) == 0)
			w->found[i] = named = true;
	return named;
}

static int
act_on(void *ctx, const struct cloud_box *box, struct err *e)
{
	struct sandbox_work *w = ctx;
	struct err failed = { 0 };

	if (!w->args->all && !is_named(w, box->id)) {
		enum whose who = w->args->orphans ? whose(w, box) : WHOSE_LIVE;

		if (who == WHOSE_UNASKED) {
			*e = w->unasked;
			return -1;
		}
		w->left += who == WHOSE_UNKNOWN;
		if (who != WHOSE_ORPHAN)
			return 0;
	}
	if (w->act(w->cloud, box->id, &failed) == 0) {
		(void)printf("%s\n", box->id);
	} else if (failed.kind != ERR_ABSENT) {
		(void)fprintf(stderr, "taskmill sandbox: %s: %s\n", box->id,
		    failed.text);
		w->failed = failed;
	}
	return 0;
}

static int
act_on_some(struct sandbox_work *w, struct err *e)
{
	if (cloud_list(w->cloud, false, act_on, w, e) == -1)
		return -1;
	if (w->left > 0)
		(void)fprintf(stderr,
		    "taskmill sandbox: %u are of attempts that the database "
		    "does not have; list shows them, kill ID ends them\n",
		    w->left);
	if (w->failed.kind != ERR_NONE) {
		*e = w->failed;
		e->kind = ERR_RETRY;
		return -1;
	}
	for (size_t i = 0; i < w->args->id_count; i++)
		if (!w->found[i])
			return err_set(e, ERR_ABSENT,
			    "%.60s is not a sandbox of this deployment",
			    w->args->ids[i]);
	return 0;
}

static int
kill_some(struct sandbox_work *w, struct err *e)
{
	w->act = cloud_kill;
	return act_on_some(w, e);
}

static int
pause_some(struct sandbox_work *w, struct err *e)
{
	w->act = cloud_pause;
	return act_on_some(w, e);
}

/* The kind that says what to do, as the exit status does. */
static void
classify(const struct sandbox_work *w, struct err *e)
{
	const char *failure = w->host.failure;

	if (failure == NULL || e->kind == ERR_ABSENT)
		return;
	e->kind = strcmp(failure, "e2b_key") == 0 ||
		strcmp(failure, "e2b_blocked") == 0
	    ? ERR_DENIED
	    : ERR_RETRY;
}

static int
work(const struct sandbox_args *args,
    int (*action)(struct sandbox_work *w, struct err *e), struct err *e)
{
	struct sandbox_work w = { .args = args, .host = { .wake_fd = -1 } };
	char deployment[CONFIG_DEPLOYMENT];
	struct sandbox_e2b set;
	int rc = -1;

	if (admin_open(&w.a, args->config, e) == -1)
		return -1;
	(void)signal(SIGPIPE, SIG_IGN); /* U11 */
	if (cloud_config(&set, &w.a.cfg, deployment, e) == -1)
		goto out;
	if (args->id_count > 0 &&
	    (w.found = calloc(args->id_count, sizeof(*w.found))) == NULL) {
		err_set(e, ERR_RETRY, "out of memory");
		goto out;
	}
	if (net_init(e) == -1 || cloud_open(&w.cloud, &set, &w.host, e) == -1)
		goto out;
	rc = action(&w, e);
	if (rc == -1)
		classify(&w, e);
out:
	cloud_close(w.cloud);
	free(w.found);
	admin_close(&w.a);
	return rc;
}

static bool
fits_list(const struct sandbox_args *args)
{
	return args->id_count == 0 && !args->orphans && !args->all;
}

static bool
fits_kill(const struct sandbox_args *args)
{
	int ways = (args->id_count > 0) + args->orphans + args->all;

	return ways == 1 && !args->json && !args->any;
}

static bool
fits_pause(const struct sandbox_args *args)
{
	return fits_kill(args) && args->id_count > 0;
}

static const struct {
	const char *name;
	bool (*fits)(const struct sandbox_args *args);
	int (*run)(struct sandbox_work *w, struct err *e);
} actions[] = {
	{ "list", fits_list, list },
	{ "kill", fits_kill, kill_some },
	{ "pause", fits_pause, pause_some },
};

#define AT(field) offsetof(struct sandbox_args, field)

static const struct option_row rows[] = {
	{ "config", OPTION_TEXT, AT(config), 0, 0, 0 },
	{ "json", OPTION_FLAG, AT(json), 0, 0, 0 },
	{ "any-deployment", OPTION_FLAG, AT(any), 0, 0, 0 },
	{ "orphans", OPTION_FLAG, AT(orphans), 0, 0, 0 },
	{ "all", OPTION_FLAG, AT(all), 0, 0, 0 },
};

int
cmd_sandbox(int argc, char **argv)
{
	static const struct command_line line = COMMAND_LINE(usage, rows);
	struct sandbox_args args = { 0 };
	struct err e = { 0 };
	int status;

	if (!options_read(&line, &args, argc, argv, &status))
		return status;
	if (optind == argc)
		return cmd_usage(usage);
	args.ids = argv + optind + 1;
	args.id_count = (size_t)(argc - optind - 1);
	for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++) {
		if (strcmp(argv[optind], actions[i].name) != 0)
			continue;
		if (!actions[i].fits(&args))
			return cmd_usage(usage);
		return work(&args, actions[i].run, &e) == -1
		    ? cmd_fail("sandbox", &e)
		    : EX_OK;
	}
	return cmd_usage(usage);
}
