#include "cmd/cmd.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "cmd/admin.h"
#include "cmd/client.h"
#include "cmd/options.h"
#include "cmd/task_follow.h"
#include "util/encode.h"
#include "util/json.h"

static const char usage[] =
    "usage: taskmill task start --repo URL [--branch NAME] [--agent NAME]\n"
    "                [--agent-model NAME] [--project N] [--key KEY] [-f]\n"
    "                PROMPT|-\n"
    "       taskmill task list [--limit N] [--status NAME]\n"
    "       taskmill task show ID\n"
    "       taskmill task logs [-f] [--raw] ID\n"
    "       taskmill task diff [--patch] ID\n"
    "       taskmill task cancel ID\n\n"
    "options for all: --url URL, --ca-file FILE, --json\n\n"
    "The environment names the server and you: TASKMILL_URL, TASKMILL_TOKEN,\n"
    "TASKMILL_CA_FILE. start reads the repository's token from GITHUB_TOKEN. A\n"
    "prompt of - is read from standard input. -f follows the task to its end;\n"
    "the exit status is then 0 if it completed, and 1 if it failed or was\n"
    "cancelled. logs --raw also shows an agent's lines of JSON as they are. diff\n"
    "--patch gives what git am takes, byte for byte. --json prints JSON, with\n"
    "-f an event a line, and does not go with --patch.\n";

#define PROMPT_MAX (64 * 1024)
#define PATIENCE_S 60

struct task_args {
	const char *url, *ca_file;
	const char *repo, *branch, *agent, *agent_model, *project, *key;
	const char *limit, *status;
	const char *operand;
	bool follow, json, patch, raw;
};

static bool
is_number(const char *text)
{
	return text[0] != '\0' && strlen(text) <= 18 &&
	    strspn(text, "0123456789") == strlen(text);
}

static int
need_id(const struct task_args *args, struct err *e)
{
	if (!is_number(args->operand))
		return err_set(e, ERR_INVALID, "\"%.40s\" is no task's number",
		    args->operand);
	return 0;
}

/* The prompt: the operand, or all of standard input. */
static int
read_prompt(const struct task_args *args, struct buf *out, struct err *e)
{
	if (strcmp(args->operand, "-") != 0)
		buf_puts(out, args->operand);
	else
		for (;;) {
			char *room = buf_reserve(out, 4096);
			size_t n =
			    room == NULL ? 0 : fread(room, 1, 4096, stdin);

			if (n == 0)
				break;
			out->len += n;
			out->data[out->len] = '\0';
		}
	if (!buf_ok(out))
		return err_set(e, ERR_INVALID,
		    "the prompt is longer than %d bytes", PROMPT_MAX);
	if (out->len == 0)
		return err_set(e, ERR_INVALID, "the prompt is empty");
	return 0;
}

static int
start_body(const struct task_args *args, struct buf *out, struct err *e)
{
	struct buf prompt = BUF(PROMPT_MAX);
	const char *token = getenv("GITHUB_TOKEN");
	struct json_out j;
	int rc = -1;

	if (args->repo == NULL)
		return err_set(e, ERR_INVALID, "start needs --repo URL");
	if (token == NULL || token[0] == '\0')
		return err_set(e, ERR_INVALID,
		    "GITHUB_TOKEN is not set: the repository's token is read "
		    "from there");
	if (args->project != NULL && !is_number(args->project))
		return err_set(e, ERR_INVALID, "--project is no number");
	if (read_prompt(args, &prompt, e) == -1)
		goto out;
	json_start(&j, out);
	json_open(&j);
	json_name_string(&j, "prompt", prompt.data, prompt.len);
	json_name_text(&j, "repo_url", args->repo);
	json_name_text(&j, "github_token", token);
	if (args->branch != NULL)
		json_name_text(&j, "branch", args->branch);
	if (args->agent != NULL)
		json_name_text(&j, "model", args->agent);
	if (args->agent_model != NULL)
		json_name_text(&j, "agent_model", args->agent_model);
	if (args->project != NULL)
		json_name_int(&j, "project_id",
		    strtoll(args->project, NULL, 10));
	json_close(&j);
	if (!buf_ok(out)) {
		err_set(e, ERR_RETRY, "out of memory");
		goto out;
	}
	rc = 0;
out:
	buf_clear(&prompt);
	return rc;
}

static int
follow(struct client *c, int64_t id, const struct task_args *args,
    struct err *e)
{
	const struct task_follow how = {
		.wait = args->follow,
		.raw = args->raw,
		.json = args->json,
	};

	return task_follow(c, id, &how, e);
}

static int
task_cmd_start(struct client *c, const struct task_args *args, struct err *e)
{
	struct buf body = BUF(PROMPT_MAX * 8);
	struct json_object *answer = NULL;
	struct client_call call = { .method = "POST",
		.path = "/api/start-task",
		.key = args->key };
	char key[UUID_TEXT];
	int64_t id;
	int rc = -1;

	if (start_body(args, &body, e) == -1)
		goto out;
	/* With a key of its own the call may be repeated: one task comes. */
	if (call.key == NULL) {
		uuid_new(key);
		call.key = key;
	}
	call.body = body.data;
	if (client_json_patient(c, &call, PATIENCE_S, &answer, e) == -1)
		goto out;
	if (json_get_int(answer, "task_id", &id) != JSON_FOUND) {
		err_set(e, ERR_BROKEN, "the answer has no task_id");
		goto out;
	}
	if (args->json)
		(void)printf("{\"task_id\":%lld}\n", (long long)id);
	else
		(void)printf("task %lld\n", (long long)id);
	rc = args->follow ? follow(c, id, args, e) : 0;
out:
	buf_wipe(&body);
	json_free(answer);
	return rc;
}

/* Prints an answer as it came. */
static int
print_answer(struct client *c, const char *path, struct err *e)
{
	struct buf b = BUF((size_t)192 << 20);
	int rc = client_bytes(c, path, &b, e);

	if (rc == 0 && b.len > 0)
		client_print(b.data, b.len);
	if (rc == 0 && (b.len == 0 || b.data[b.len - 1] != '\n'))
		(void)putchar('\n');
	buf_clear(&b);
	return rc;
}

static void
print_member(struct json_object *o, const char *label, const char *name)
{
	const char *s;
	size_t len;
	int64_t n;

	if (json_get_string(o, name, &s, &len) == JSON_FOUND) {
		(void)printf("%-10s ", label);
		client_print(s, len);
		(void)putchar('\n');
	} else if (json_get_int(o, name, &n) == JSON_FOUND)
		(void)printf("%-10s %lld\n", label, (long long)n);
}

static int
task_cmd_show(struct client *c, const struct task_args *args, struct err *e)
{
	struct client_call call = { .method = "GET" };
	struct json_object *answer = NULL, *t, *files;
	char path[64];
	int rc = -1;

	if (need_id(args, e) == -1)
		return -1;
	(void)snprintf(path, sizeof(path), "/api/tasks/%s", args->operand);
	if (args->json)
		return print_answer(c, path, e);
	call.path = path;
	if (client_json(c, &call, &answer, e) == -1)
		goto out;
	if (json_get_object(answer, "task", &t) != JSON_FOUND) {
		err_set(e, ERR_BROKEN, "the answer has no task");
		goto out;
	}
	print_member(t, "task", "id");
	print_member(t, "status", "status");
	print_member(t, "agent", "agent");
	print_member(t, "repository", "repo_url");
	print_member(t, "branch", "target_branch");
	print_member(t, "created", "created_at");
	print_member(t, "started", "started_at");
	print_member(t, "ended", "completed_at");
	print_member(t, "commit", "commit_hash");
	print_member(t, "error", "error");
	if (json_get_array(t, "changed_files", &files) == JSON_FOUND)
		for (size_t i = 0; i < json_array_size(files); i++) {
			const char *name = json_array_string(files, i);

			(void)printf("%-10s ", "changed");
			if (name != NULL)
				client_print(name, strlen(name));
			(void)putchar('\n');
		}
	rc = 0;
out:
	json_free(answer);
	return rc;
}

static void
print_row(struct json_object *t)
{
	const char *status = "", *prompt = "", *created = "";
	int64_t id = 0;
	size_t len;

	(void)json_get_int(t, "id", &id);
	(void)json_get_string(t, "status", &status, &len);
	(void)json_get_string(t, "created_at", &created, &len);
	(void)json_get_string(t, "prompt", &prompt, &len);
	(void)printf("%8lld  %-9s  %.19s  ", (long long)id, status, created);
	client_print(prompt, strcspn(prompt, "\r\n"));
	(void)putchar('\n');
}

static int
task_cmd_list(struct client *c, const struct task_args *args, struct err *e)
{
	struct client_call call = { .method = "GET" };
	struct json_object *answer = NULL, *tasks, *t;
	const char *name;
	char path[128];
	size_t used;
	int rc = -1;

	if (args->limit != NULL && !is_number(args->limit))
		return err_set(e, ERR_INVALID, "--limit is no number");
	used = (size_t)snprintf(path, sizeof(path), "/api/tasks?limit=%s",
	    args->limit != NULL ? args->limit : "20");
	if (args->status != NULL) {
		if (strspn(args->status, "abcdefghijklmnopqrstuvwxyz") !=
			strlen(args->status) ||
		    strlen(args->status) > 16)
			return err_set(e, ERR_INVALID, "--status is no state");
		(void)snprintf(path + used, sizeof(path) - used, "&status=%s",
		    args->status);
	}
	if (args->json)
		return print_answer(c, path, e);
	call.path = path;
	if (client_json(c, &call, &answer, e) == -1)
		goto out;
	if (json_get_object(answer, "tasks", &tasks) != JSON_FOUND) {
		err_set(e, ERR_BROKEN, "the answer has no tasks");
		goto out;
	}
	for (size_t i = 0; (name = json_member_name(tasks, i)) != NULL; i++)
		if (json_get_object(tasks, name, &t) == JSON_FOUND)
			print_row(t);
	rc = 0;
out:
	json_free(answer);
	return rc;
}

static int
task_cmd_logs(struct client *c, const struct task_args *args, struct err *e)
{
	char path[80];

	if (need_id(args, e) == -1)
		return -1;
	if (args->json && !args->follow) {
		(void)snprintf(path, sizeof(path), "/api/tasks/%s/events",
		    args->operand);
		return print_answer(c, path, e);
	}
	return follow(c, strtoll(args->operand, NULL, 10), args, e);
}

static int
task_cmd_diff(struct client *c, const struct task_args *args, struct err *e)
{
	struct client_call call = { .method = "GET" };
	struct json_object *answer = NULL;
	const char *diff;
	char path[64];
	size_t len;
	int rc = -1;

	if (need_id(args, e) == -1)
		return -1;
	if (args->patch) {
		struct buf b = BUF((size_t)192 << 20);

		(void)snprintf(path, sizeof(path), "/api/tasks/%s/patch",
		    args->operand);
		rc = client_bytes(c, path, &b, e);
		if (rc == 0 && b.len > 0)
			client_print(b.data, b.len);
		buf_clear(&b);
		return rc;
	}
	(void)snprintf(path, sizeof(path), "/api/git-diff/%s", args->operand);
	if (args->json)
		return print_answer(c, path, e);
	call.path = path;
	if (client_json(c, &call, &answer, e) == -1)
		goto out;
	if (json_get_string(answer, "git_diff", &diff, &len) != JSON_FOUND) {
		err_set(e, ERR_ABSENT, "the task has no diff yet");
		goto out;
	}
	client_print(diff, len);
	rc = 0;
out:
	json_free(answer);
	return rc;
}

static int
task_cmd_cancel(struct client *c, const struct task_args *args, struct err *e)
{
	struct client_call call = { .method = "POST", .body = "{}" };
	struct json_object *answer = NULL, *t;
	const char *status;
	char path[64];
	size_t len;
	int rc = -1;

	if (need_id(args, e) == -1)
		return -1;
	(void)snprintf(path, sizeof(path), "/api/tasks/%s/cancel",
	    args->operand);
	call.path = path;
	if (client_json(c, &call, &answer, e) == -1)
		goto out;
	if (args->json) {
		rc = client_print_json(answer, e);
		goto out;
	}
	if (json_get_object(answer, "task", &t) != JSON_FOUND ||
	    json_get_string(t, "status", &status, &len) != JSON_FOUND) {
		err_set(e, ERR_BROKEN, "the answer has no status");
		goto out;
	}
	(void)printf("task %s is %s\n", args->operand,
	    strcmp(status, "running") == 0 ? "being cancelled" : status);
	rc = 0;
out:
	json_free(answer);
	return rc;
}

static const struct {
	struct action is;
	int (*run)(struct client *c, const struct task_args *args,
	    struct err *e);
} actions[] = {
	{ { "start", 1, 1 }, task_cmd_start },
	{ { "list", 0, 0 }, task_cmd_list },
	{ { "show", 1, 1 }, task_cmd_show },
	{ { "logs", 1, 1 }, task_cmd_logs },
	{ { "diff", 1, 1 }, task_cmd_diff },
	{ { "cancel", 1, 1 }, task_cmd_cancel },
};

#define AT(field) offsetof(struct task_args, field)

static const struct option_row rows[] = {
	{ "url", OPTION_TEXT, AT(url), 0, 0, 0 },
	{ "ca-file", OPTION_TEXT, AT(ca_file), 0, 0, 0 },
	{ "repo", OPTION_TEXT, AT(repo), 0, 0, 0 },
	{ "branch", OPTION_TEXT, AT(branch), 0, 0, 0 },
	{ "agent", OPTION_TEXT, AT(agent), 0, 0, 0 },
	{ "agent-model", OPTION_TEXT, AT(agent_model), 0, 0, 0 },
	{ "project", OPTION_TEXT, AT(project), 0, 0, 0 },
	{ "key", OPTION_TEXT, AT(key), 0, 0, 0 },
	{ "limit", OPTION_TEXT, AT(limit), 0, 0, 0 },
	{ "status", OPTION_TEXT, AT(status), 0, 0, 0 },
	{ "follow", OPTION_FLAG, AT(follow), 'f', 0, 0 },
	{ "json", OPTION_FLAG, AT(json), 0, 0, 0 },
	{ "patch", OPTION_FLAG, AT(patch), 0, 0, 0 },
	{ "raw", OPTION_FLAG, AT(raw), 0, 0, 0 },
};

static int
run_action(size_t i, const struct task_args *args)
{
	struct client c = { 0 };
	struct err e = { 0 };
	int rc = -1;

	if (encode_init(&e) == -1 ||
	    client_open(&c, args->url, args->ca_file, &e) == -1)
		goto out;
	rc = actions[i].run(&c, args, &e);
out:
	client_close(&c);
	if (rc == -1)
		return cmd_fail("task", &e);
	return rc == 0 ? EX_OK : EXIT_FAILURE;
}

int
cmd_task(int argc, char **argv)
{
	static const struct command_line line = COMMAND_LINE(usage, rows);
	struct task_args args = { 0 };
	int i, status;

	if (!options_read(&line, &args, argc, argv, &status))
		return status;
	if ((i = ACTION_FIND(actions, argc, argv, usage)) == -1)
		return EX_USAGE;
	if (args.patch && args.json) {
		(void)fputs("taskmill task: --patch has no form in JSON\n",
		    stderr);
		return cmd_usage(usage);
	}
	args.operand = argv[optind + 1];
	return run_action((size_t)i, &args);
}
