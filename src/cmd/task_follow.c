#include "cmd/task_follow.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cmd/task_event.h"
#include "util/json.h"

#define PATIENCE_S 60
#define POLL_MS 300

struct page {
	int64_t last_seq;
	size_t count;
	bool ended;
	bool completed;
};

/* view: NULL for lines of JSON. */
static int
print_page(struct json_object *answer, struct page *p, struct task_view *view,
    struct err *e)
{
	struct json_object *events;
	const char *status;
	size_t len;

	if (json_get_array(answer, "events", &events) != JSON_FOUND ||
	    json_get_int(answer, "last_seq", &p->last_seq) != JSON_FOUND ||
	    json_get_string(answer, "task_status", &status, &len) != JSON_FOUND)
		return err_set(e, ERR_BROKEN, "the answer has no events");
	p->count = json_array_size(events);
	for (size_t i = 0; i < p->count; i++) {
		struct json_object *event = json_array_object(events, i);

		if (view != NULL)
			task_event_print(view, event);
		else if (client_print_json(event, e) == -1)
			return -1;
	}
	p->completed = strcmp(status, "completed") == 0;
	p->ended = p->completed || strcmp(status, "failed") == 0 ||
	    strcmp(status, "cancelled") == 0;
	return 0;
}

/* Why a task failed, in the words that its user is shown. */
static int
print_error(struct client *c, int64_t id, struct err *e)
{
	char path[64];
	const struct client_call call = { .method = "GET", .path = path };
	struct json_object *answer = NULL, *task;
	const char *text;
	size_t len;

	(void)snprintf(path, sizeof(path), "/api/task-status/%lld",
	    (long long)id);
	if (client_json_patient(c, &call, PATIENCE_S, &answer, e) == -1)
		return -1;
	if (json_get_object(answer, "task", &task) == JSON_FOUND &&
	    json_get_string(task, "error", &text, &len) == JSON_FOUND) {
		client_print(text, len);
		(void)putchar('\n');
	}
	json_free(answer);
	return 0;
}

int
task_follow(struct client *c, int64_t id, const struct task_follow *how,
    struct err *e)
{
	const struct timespec pause = { .tv_nsec = POLL_MS * 1000000L };
	struct task_view view = { .raw = how->raw };
	struct page p = { 0 };
	char path[96];

	for (;;) {
		const struct client_call call = { .method = "GET",
			.path = path };
		struct json_object *answer = NULL;
		int rc;

		(void)snprintf(path, sizeof(path),
		    "/api/tasks/%lld/events?after=%lld", (long long)id,
		    (long long)p.last_seq);
		if (client_json_patient(c, &call, PATIENCE_S, &answer, e) == -1)
			return -1;
		rc = print_page(answer, &p, how->json ? NULL : &view, e);
		json_free(answer);
		if (rc == -1)
			return -1;
		if (p.count > 0)
			continue; /* there may be a next page */
		if (!how->wait)
			return 0;
		if (p.completed)
			return 0;
		if (p.ended && !how->json && print_error(c, id, e) == -1)
			return -1;
		if (p.ended)
			return 1;
		(void)nanosleep(&pause, NULL);
	}
}
