#ifndef CMD_TASK_EVENT_H
#define CMD_TASK_EVENT_H

#include <stdbool.h>

#include "util/json.h"

/*
 * task_event: a task's events as lines for people. Of an agent whose output is
 * lines of JSON what they say is shown, and the lines themselves are not.
 */
struct task_view {
	bool raw; /* show the lines all the same */

	bool in_json; /* our own: such an agent is at work */
};

/* Prints one event of /api/tasks/ID/events. */
void task_event_print(struct task_view *v, struct json_object *event);

#endif
