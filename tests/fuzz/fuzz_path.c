/*
 * Any bytes as the parameters of a FastCGI request: the path and the query
 * above all. One parameter a line of the input; whatever is taken must be what
 * the handlers rely on.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "http/fcgi_params.h"
#include "util/utf8.h"

#define ENTRIES_MAX 300

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
must(bool holds)
{
	if (!holds)
		abort();
}

static void
must_be_text(const char *s)
{
	must(utf8_valid(s, strlen(s)));
	for (; *s != '\0'; s++)
		must((unsigned char)*s >= 0x20 && *s != 0x7f);
}

static void
must_be_header(const char *s)
{
	must(s != NULL);
	for (; *s != '\0'; s++)
		must(((unsigned char)*s >= 0x20 || *s == '\t') && *s != 0x7f);
}

static void
check_query(const char *query)
{
	static const char *const names[] = { "after", "limit", "a" };
	char value[32];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (http_query_get(query, names[i], value, sizeof(value)))
			must(strlen(value) < sizeof(value));
		else
			must(value[0] == '\0');
		must_be_text(value);
	}
}

static void
check(const char *const *envp)
{
	static struct fcgi_parsed p;
	const char *why = NULL;
	int status = fcgi_params_read(&p, envp, &why);

	must(status == 0 || (status >= 400 && status < 500 && why != NULL));
	must_be_header(p.rq.query);
	must_be_header(p.rq.authorization);
	must_be_header(p.rq.content_type);
	must_be_header(p.rq.origin);
	must_be_header(p.rq.cookie);
	must_be_header(p.rq.accept);
	must_be_header(p.rq.remote_addr);
	must(strspn(p.request_id,
		 "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
		 "0123456789-") == strlen(p.request_id));
	check_query(p.rq.query);
	if (status != 0)
		return;
	must_be_text(p.rq.path);
	must(p.rq.path[0] == '/' && strlen(p.rq.path) < FCGI_PATH_MAX);
	must(strstr(p.rq.path, "/../") == NULL);
	must(strstr(p.rq.path, "/./") == NULL);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);
	const char *envp[ENTRIES_MAX + 1];
	size_t n = 0;

	if (text == NULL)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	for (char *line = text; line != NULL && n < ENTRIES_MAX;) {
		char *end = strchr(line, '\n');

		if (end != NULL)
			*end++ = '\0';
		envp[n++] = line;
		line = end;
	}
	envp[n] = NULL;
	check(envp);
	check_query(text);
	free(text);
	return 0;
}
