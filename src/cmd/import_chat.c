#include <string.h>

#include "cmd/import_check.h"
#include "util/json.h"
#include "util/time_read.h"
#include "util/utf8.h"

#define CHAT_MAX ((size_t)512 * 1024 * 1024)
#define PROMPT_BYTES_MAX 65535 /* of a TEXT column */
#define TIME_TEXT_MAX 64

/* When nobody knows better: when the task was made. */
static void
fallback_time(const struct import_checked *c, char out[CLOCK_TEXT])
{
	const char *created = record_get(&c->record, "created_at");
	int64_t us;

	if (created != NULL && time_read(&us, created, strlen(created)))
		clock_text(out, us);
	else
		clock_text(out, clock_wall_us());
}

/* A number, a text with or without an offset: all become one format (D5). */
static void
message_time(const struct import_checked *c, struct json_object *message,
    char out[CLOCK_TEXT])
{
	struct buf number = BUF(TIME_TEXT_MAX);
	struct json_out j;
	const char *text;
	size_t len;
	int64_t us;

	if (json_get_string(message, "timestamp", &text, &len) != JSON_FOUND) {
		json_start(&j, &number);
		json_value(&j, json_member(message, "timestamp"));
		text = buf_ok(&number) ? number.data : "";
		len = buf_ok(&number) ? number.len : 0;
	}
	if (time_read(&us, text, len))
		clock_text(out, us);
	else
		fallback_time(c, out);
	buf_clear(&number);
}

/* The old back end took any JSON for content; it is shown as text. */
static void
put_content(struct import_checked *c, struct json_out *j,
    struct json_object *message, bool is_user)
{
	struct buf other = BUF(CHAT_MAX);
	struct json_out to;
	const char *text = "";
	size_t len = 0;

	if (json_get_string(message, "content", &text, &len) == JSON_MISTYPED) {
		json_start(&to, &other);
		json_value(&to, json_member(message, "content"));
		text = other.data == NULL ? "" : other.data;
		len = other.len;
		if (!buf_ok(&other))
			j->to->failed = true;
	}
	json_name_string(j, "content", text, len);
	if (is_user && c->prompt.data == NULL)
		buf_add(&c->prompt, text,
		    len > PROMPT_BYTES_MAX ? utf8_whole(text, PROMPT_BYTES_MAX)
					   : len);
	buf_clear(&other);
}

static int
put_message(struct import_checked *c, struct json_out *j,
    struct json_object *message, struct err *e)
{
	char time[CLOCK_TEXT];
	const char *role = "";
	size_t len;
	bool is_user;

	if (json_get_string(message, "role", &role, &len) != JSON_FOUND ||
	    (strcmp(role, "user") != 0 && strcmp(role, "assistant") != 0))
		return err_set(e, ERR_INVALID,
		    "chat_messages: a role that is neither user nor "
		    "assistant");
	is_user = strcmp(role, "user") == 0;
	message_time(c, message, time);
	json_open(j);
	json_name_text(j, "role", role);
	put_content(c, j, message, is_user);
	json_name_text(j, "timestamp", time);
	json_close(j);
	return 0;
}

static int
put_messages(struct import_checked *c, struct json_object *list, struct err *e)
{
	struct json_out j;

	json_start(&j, &c->chat);
	json_open_array(&j);
	for (size_t i = 0; i < json_array_size(list); i++) {
		struct json_object *message = json_array_object(list, i);

		if (message == NULL)
			return err_set(e, ERR_INVALID,
			    "chat_messages: message %zu is no object", i + 1);
		if (put_message(c, &j, message, e) == -1)
			return -1;
	}
	json_close_array(&j);
	return 0;
}

/* The old file has a prompt and no messages. */
static void
put_prompt_only(struct import_checked *c)
{
	const char *prompt = record_get(&c->record, "prompt");
	char time[CLOCK_TEXT];
	struct json_out j;

	json_start(&j, &c->chat);
	json_open_array(&j);
	if (prompt != NULL) {
		fallback_time(c, time);
		json_open(&j);
		json_name_text(&j, "role", "user");
		json_name_text(&j, "content", prompt);
		json_name_text(&j, "timestamp", time);
		json_close(&j);
		buf_add(&c->prompt, prompt,
		    strlen(prompt) > PROMPT_BYTES_MAX
			? utf8_whole(prompt, PROMPT_BYTES_MAX)
			: strlen(prompt));
	}
	json_close_array(&j);
}

int
import_chat(struct import_checked *c, struct err *e)
{
	const char *text = record_get(&c->record, "chat_messages");
	struct json_object *list = NULL;
	int rc = -1;

	c->chat.max = CHAT_MAX;
	c->prompt.max = PROMPT_BYTES_MAX;
	if (text == NULL) {
		put_prompt_only(c);
	} else {
		if (json_read(&list, text, strlen(text), e) == -1) {
			err_wrap(e, "chat_messages");
			goto out;
		}
		if (text[strspn(text, " \t\r\n")] != '[') {
			err_set(e, ERR_INVALID, "chat_messages is no array");
			goto out;
		}
		if (put_messages(c, list, e) == -1)
			goto out;
	}
	if (!buf_ok(&c->chat) || !buf_ok(&c->prompt)) {
		err_set(e, ERR_INVALID, "chat_messages are too large");
		goto out;
	}
	rc = 0;
out:
	json_free(list);
	return rc;
}
