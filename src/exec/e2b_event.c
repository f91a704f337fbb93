#include "exec/e2b_event.h"

#include <stdio.h>
#include <string.h>

#include "exec/e2b_envelope.h"
#include "util/encode.h"
#include "util/json.h"

static void
copy_text(struct json_object *o, const char *name, char *out, size_t size)
{
	const char *s;
	size_t len;

	if (json_get_string(o, name, &s, &len) == JSON_FOUND)
		(void)snprintf(out, size, "%s", s);
}

/* {} or {"error":{"code":"...","message":"..."}} */
static int
read_last(struct e2b_event *ev, struct json_object *o, struct err *e)
{
	struct json_object *error;

	ev->kind = E2B_EVENT_LAST;
	switch (json_get_object(o, "error", &error)) {
	case JSON_MISSING:
		return 0;
	case JSON_MISTYPED:
		return err_set(e, ERR_BROKEN, "E2B: the stream's end");
	case JSON_FOUND:
		break;
	}
	(void)snprintf(ev->error, sizeof(ev->error), "unknown");
	copy_text(error, "code", ev->error, sizeof(ev->error));
	copy_text(error, "message", ev->text, sizeof(ev->text));
	return 0;
}

static int
read_data(struct e2b_event *ev, struct json_object *data, struct err *e)
{
	const char *text;
	size_t len;

	if (json_get_string(data, "stdout", &text, &len) == JSON_FOUND)
		ev->kind = E2B_EVENT_STDOUT;
	else if (json_get_string(data, "stderr", &text, &len) == JSON_FOUND)
		ev->kind = E2B_EVENT_STDERR;
	else
		return 0;
	if (!decode_base64(&ev->data, text, len))
		return err_set(e, ERR_BROKEN, "E2B: output that is no base64");
	return 0;
}

static int
read_end(struct e2b_event *ev, struct json_object *end, struct err *e)
{
	int64_t code = 0;

	if (json_get_int(end, "exitCode", &code) == JSON_MISTYPED ||
	    code < -1 || code > 255)
		return err_set(e, ERR_BROKEN, "E2B: an exit status");
	ev->kind = E2B_EVENT_END;
	ev->code = (int)code;
	return 0;
}

static int
read_event(struct e2b_event *ev, struct json_object *o, struct err *e)
{
	struct json_object *event, *inner;

	if (json_get_object(o, "event", &event) != JSON_FOUND)
		return 0;
	if (json_get_object(event, "start", &inner) == JSON_FOUND) {
		if (json_get_int(inner, "pid", &ev->pid) != JSON_FOUND ||
		    ev->pid <= 0)
			return err_set(e, ERR_BROKEN, "E2B: a start");
		ev->kind = E2B_EVENT_START;
		return 0;
	}
	if (json_get_object(event, "data", &inner) == JSON_FOUND)
		return read_data(ev, inner, e);
	if (json_get_object(event, "end", &inner) == JSON_FOUND)
		return read_end(ev, inner, e);
	return 0;
}

int
e2b_event_read(struct e2b_event *ev, bool last, const char *message, size_t len,
    struct err *e)
{
	struct json_object *o = NULL;
	int rc;

	*ev = (struct e2b_event){ .data = BUF(ENVELOPE_MAX) };
	if (len == 0) /* the empty message */
		message = "{}", len = 2;
	if (json_read(&o, message, len, e) == -1 || !json_is_object(o)) {
		json_free(o);
		return err_set(e, ERR_BROKEN, "E2B: a message that is no JSON");
	}
	rc = last ? read_last(ev, o, e) : read_event(ev, o, e);
	json_free(o);
	return rc;
}

void
e2b_event_clear(struct e2b_event *ev)
{
	buf_clear(&ev->data);
}
