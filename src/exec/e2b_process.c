#include "exec/e2b_process.h"

#include <stdio.h>
#include <string.h>

#include "exec/e2b_event.h"
#include "util/clock.h"

#define REQUEST_MAX ((size_t)512 * 1024)
#define ANSWER_MAX ((size_t)4 * 1024 * 1024)
#define ERROR_MAX ((size_t)16 * 1024)
#define TERM_CALL_MS 2000
#define JSON_TYPE "Content-Type: application/json"
#define STREAM_TYPE "Content-Type: application/connect+json"
#define AS_ROOT "Authorization: Basic cm9vdDo=" /* root, no password */

static int
hear_output(struct e2b_process *p, const struct e2b_event *ev, struct err *e)
{
	enum sandbox_stream from =
	    ev->kind == E2B_EVENT_STDOUT ? SANDBOX_STDOUT : SANDBOX_STDERR;

	if (!p->whole) {
		p->news = true;
		return 0;
	}
	p->got[from] += ev->data.len;
	if (p->cmd == NULL || p->cmd->output == NULL || ev->data.len == 0)
		return 0;
	if (p->cmd->output(p->cmd->ctx, from, ev->data.data, ev->data.len, e) ==
	    0)
		return 0;
	p->refused = true;
	return -1;
}

static int
hear(void *ctx, bool last, const char *message, size_t len, struct err *e)
{
	struct e2b_process *p = ctx;
	struct e2b_event ev;
	int rc = e2b_event_read(&ev, last, message, len, e);

	if (rc == 0) {
		switch (ev.kind) {
		case E2B_EVENT_START:
			p->pid = ev.pid;
			break;
		case E2B_EVENT_STDOUT:
		case E2B_EVENT_STDERR:
			rc = hear_output(p, &ev, e);
			break;
		case E2B_EVENT_END:
			p->over = true;
			break;
		case E2B_EVENT_LAST:
			p->over = true;
			memcpy(p->error, ev.error, sizeof(p->error));
			memcpy(p->text, ev.text, sizeof(p->text));
			break;
		case E2B_EVENT_OTHER:
			break;
		}
	}
	e2b_event_clear(&ev);
	return rc;
}

static int
take(void *ctx, const char *bytes, size_t len, struct err *e)
{
	struct e2b_process *p = ctx;

	return envelope_feed(&p->reader, bytes, len, hear, p, e);
}

/* Sends message to a streaming method. */
static int
listen_to(struct e2b_process *p, const char *method, const struct buf *message,
    struct err *e)
{
	const struct sandbox_e2b *set = p->b->set;
	const struct e2b_request rq = { .face = E2B_ENVD,
		.type = STREAM_TYPE,
		.header = AS_ROOT };
	struct net_stream_request asked = { .take = take,
		.ctx = p,
		.silence_s = (int)set->silence_s };
	size_t n = 0;

	e2b_process_leave(p);
	p->request = (struct buf)BUF(REQUEST_MAX + ENVELOPE_HEAD);
	envelope_write(&p->request, message->data, message->len);
	if (!buf_ok(message) || !buf_ok(&p->request))
		return err_set(e, ERR_INVALID, "a command is too long");
	(void)snprintf(p->url, sizeof(p->url), "%s/process.Process/%s",
	    p->b->envd, method);
	(void)snprintf(p->ping, sizeof(p->ping), "Keepalive-Ping-Interval: %u",
	    set->silence_s < 6 ? 2 : set->silence_s / 3);
	e2b_headers(p->b, &rq, p->headers);
	while (p->headers[n] != NULL)
		n++;
	p->headers[n++] = "Connect-Protocol-Version: 1";
	p->headers[n++] = p->ping;
	p->headers[n] = NULL;
	asked.rq = (struct net_request){ .method = "POST",
		.url = p->url,
		.headers = p->headers,
		.body = p->request.data,
		.body_len = p->request.len,
		.max_body = ERROR_MAX,
		.ca_file = set->ca_file[0] == '\0' ? NULL : set->ca_file,
		.allow_http = set->allow_http };
	e2b_debug_request(p->b, "POST", p->url + strlen(p->b->envd),
	    message->data, message->len);
	p->began_ms = clock_mono_ms();
	envelope_start(&p->reader);
	p->over = false;
	p->error[0] = p->text[0] = '\0';
	return net_stream_open(&p->stream, p->b->pool, &asked, e);
}

static void
write_env(struct json_out *j, const char *const *env)
{
	json_name(j, "envs");
	json_open(j);
	for (size_t i = 0; env != NULL && env[i] != NULL; i++) {
		const char *equals = strchr(env[i], '=');

		if (equals == NULL)
			continue;
		json_string(j, env[i], (size_t)(equals - env[i]));
		buf_putc(j->to, ':');
		j->comma = false;
		json_text(j, equals + 1);
	}
	json_close(j);
}

int
e2b_process_start(struct e2b_process *p, const char *const *argv,
    const char *const *env, const char *cwd, struct err *e)
{
	struct buf message = BUF(REQUEST_MAX);
	struct json_out j;
	int rc;

	json_start(&j, &message);
	json_open(&j);
	json_name(&j, "process");
	json_open(&j);
	json_name_text(&j, "cmd", argv[0]);
	json_name(&j, "args");
	json_open_array(&j);
	for (size_t i = 1; argv[i] != NULL; i++)
		json_text(&j, argv[i]);
	json_close_array(&j);
	write_env(&j, env);
	json_name_text(&j, "cwd", cwd);
	json_close(&j);
	json_name_text(&j, "tag", p->tag);
	json_name_bool(&j, "stdin", false);
	json_close(&j);
	rc = listen_to(p, "Start", &message, e);
	buf_wipe(&message);
	return rc;
}

/* {"process":{"pid":N}...} */
static void
write_pid(const struct e2b_process *p, struct buf *to, const char *signal)
{
	struct json_out j;

	json_start(&j, to);
	json_open(&j);
	json_name(&j, "process");
	json_open(&j);
	json_name_int(&j, "pid", p->pid);
	json_close(&j);
	if (signal != NULL)
		json_name_text(&j, "signal", signal);
	json_close(&j);
}

int
e2b_process_attach(struct e2b_process *p, struct err *e)
{
	struct buf message = BUF(256);
	int rc;

	write_pid(p, &message, NULL);
	p->whole = false; /* it tells what comes, not what has been (5.6) */
	p->news = true;
	rc = listen_to(p, "Connect", &message, e);
	buf_clear(&message);
	return rc;
}

static int64_t
pid_in(struct json_object *o, const char *tag)
{
	struct json_object *list;
	const char *s;
	int64_t pid;
	size_t len;

	if (json_get_array(o, "processes", &list) != JSON_FOUND)
		return 0; /* an empty list is left out (4.7) */
	for (size_t i = 0; i < json_array_size(list); i++) {
		struct json_object *one = json_array_object(list, i);

		if (one != NULL &&
		    json_get_string(one, "tag", &s, &len) == JSON_FOUND &&
		    strcmp(s, tag) == 0 &&
		    json_get_int(one, "pid", &pid) == JSON_FOUND)
			return pid;
	}
	return 0;
}

int
e2b_process_find(struct e2b_process *p, struct err *e)
{
	const struct e2b_request rq = { .face = E2B_ENVD,
		.method = "POST",
		.path = "/process.Process/List",
		.type = JSON_TYPE,
		.body = "{}",
		.body_len = 2,
		.max_body = ANSWER_MAX };
	struct net_response rs;
	struct json_object *o = NULL;
	int rc = -1;

	if (e2b_ask_again(p->b, &rq, &rs, e) == -1)
		goto out;
	if (rs.body.len == 0 ||
	    json_read(&o, rs.body.data, rs.body.len, e) == -1) {
		rc = e2b_fail(p->b, E2B_PROTOCOL, "a list of processes", e);
		goto out;
	}
	p->pid = pid_in(o, p->tag);
	rc = 0;
out:
	json_free(o);
	net_response_clear(&rs);
	return rc;
}

int
e2b_process_term(struct e2b_process *p, struct err *e)
{
	struct buf body = BUF(256);
	struct e2b_request rq = { .face = E2B_ENVD,
		.method = "POST",
		.path = "/process.Process/SendSignal",
		.type = JSON_TYPE,
		.max_body = ERROR_MAX,
		.timeout_ms = TERM_CALL_MS };
	struct net_response rs;
	int rc;

	write_pid(p, &body, "SIGNAL_SIGTERM");
	rq.body = body.data;
	rq.body_len = body.len;
	rc = e2b_ask(p->b, &rq, &rs, e);
	net_response_clear(&rs);
	buf_clear(&body);
	return rc;
}

void
e2b_process_leave(struct e2b_process *p)
{
	if (p->stream != NULL)
		e2b_debug_answer(p->b, "POST", p->url + strlen(p->b->envd),
		    net_stream_answer(p->stream),
		    clock_mono_ms() - p->began_ms);
	net_stream_close(p->stream);
	p->stream = NULL;
	envelope_clear(&p->reader);
	buf_wipe(&p->request);
}
