#include "repo/url.h"

#include <stdio.h>
#include <string.h>

#include "util/buf.h"
#include "util/utf8.h"

#define SHOWN_MAX 200
#define PORT_MAX 65535
#define LABEL_MAX 63

/* A stretch of the text that was given; nothing is ever unescaped. */
struct span {
	const char *at;
	size_t len;
};

/* What the text says, before anybody asks whether it is allowed. */
struct parts {
	bool http;
	unsigned int port; /* 0: the scheme's own */
	struct span host, owner, name;
};

static bool
is_blank(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static struct span
trim(struct span s)
{
	while (s.len > 0 && is_blank(s.at[0])) {
		s.at++;
		s.len--;
	}
	while (s.len > 0 && is_blank(s.at[s.len - 1]))
		s.len--;
	return s;
}

static bool
is_letter_or_digit(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	    (c >= '0' && c <= '9');
}

static char
lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* Takes a fixed word from the front. */
static bool
take(struct span *s, const char *word)
{
	size_t n = strlen(word);

	if (s->len < n || memcmp(s->at, word, n) != 0)
		return false;
	s->at += n;
	s->len -= n;
	return true;
}

/* Takes what stands before the first mark, and the mark; false if none. */
static bool
take_until(struct span *s, char mark, struct span *before)
{
	const char *p = s->len == 0 ? NULL : memchr(s->at, mark, s->len);

	if (p == NULL)
		return false;
	before->at = s->at;
	before->len = (size_t)(p - s->at);
	s->at = p + 1;
	s->len -= before->len + 1;
	return true;
}

static bool
is_host(struct span s)
{
	size_t label = 0;

	if (s.len == 0 || s.len > REPO_HOST_MAX)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		if (s.at[i] == '.') {
			if (label == 0 || s.at[i - 1] == '-')
				return false;
			label = 0;
			continue;
		}
		if (!is_letter_or_digit(s.at[i]) &&
		    (s.at[i] != '-' || label == 0))
			return false;
		if (++label > LABEL_MAX)
			return false;
	}
	return label > 0 && s.at[s.len - 1] != '-';
}

static bool
is_name(struct span s)
{
	if (s.len == 0 || s.len > REPO_NAME_MAX || s.at[0] == '-')
		return false;
	for (size_t i = 0; i < s.len; i++)
		if (!is_letter_or_digit(s.at[i]) && s.at[i] != '.' &&
		    s.at[i] != '_' && s.at[i] != '-')
			return false;
	return !(s.at[0] == '.' && s.len == 1) &&
	    !(s.len == 2 && s.at[0] == '.' && s.at[1] == '.');
}

/* Reads "8443"; false for anything that is no port, or not plainly so. */
static bool
read_port(struct span s, unsigned int *port)
{
	*port = 0;
	if (s.len == 0 || s.len > 5 || s.at[0] == '0')
		return false;
	for (size_t i = 0; i < s.len; i++) {
		if (s.at[i] < '0' || s.at[i] > '9')
			return false;
		*port = *port * 10 + (unsigned int)(s.at[i] - '0');
	}
	return *port <= PORT_MAX;
}

/* Reads "OWNER/REPO[.git]" into p. */
static bool
read_path(struct span s, struct parts *p)
{
	static const char git[] = ".git";
	const size_t tail = sizeof(git) - 1;

	if (!take_until(&s, '/', &p->owner))
		return false;
	if (s.len > tail && memcmp(s.at + s.len - tail, git, tail) == 0)
		s.len -= tail;
	p->name = s;
	return is_name(p->owner) && is_name(p->name);
}

/* Reads "HOST[:PORT]/OWNER/REPO[.git][/]" into p. */
static bool
read_web(struct span s, struct parts *p)
{
	const unsigned int usual = p->http ? 80 : 443;
	struct span place;

	if (!take_until(&s, '/', &place))
		return false;
	if (take_until(&place, ':', &p->host)) {
		if (!read_port(place, &p->port))
			return false;
		if (p->port == usual)
			p->port = 0;
	} else
		p->host = place;
	if (s.len > 0 && s.at[s.len - 1] == '/')
		s.len--;
	return is_host(p->host) && read_path(s, p);
}

static bool
read_parts(struct span s, struct parts *p)
{
	if (s.len > REPO_URL_MAX)
		return false;
	if (take(&s, "https://"))
		return read_web(s, p);
	if (take(&s, "http://")) {
		p->http = true;
		return read_web(s, p);
	}
	if (take(&s, "git@"))
		return take_until(&s, ':', &p->host) && is_host(p->host) &&
		    read_path(s, p);
	return false;
}

static bool
is_allowed(const char *host, const char *allowed)
{
	size_t len = strlen(host);

	if (allowed == NULL)
		return false;
	for (;;) {
		size_t n = strcspn(allowed, ",");
		struct span one = trim((struct span){ allowed, n });

		if (one.len == len && memcmp(one.at, host, len) == 0)
			return true;
		if (allowed[n] == '\0')
			return false;
		allowed += n + 1;
	}
}

/* The refusal, with a text that is safe to show. */
static int
refuse(struct span s, struct err *e)
{
	struct buf shown = BUF(3 * SHOWN_MAX);
	size_t n;

	n = s.len > SHOWN_MAX ? utf8_whole(s.at, SHOWN_MAX) : s.len;
	utf8_clean(&shown, s.at, n);
	for (size_t i = 0; i < shown.len; i++)
		if ((unsigned char)shown.data[i] < 0x20 ||
		    shown.data[i] == 0x7f)
			shown.data[i] = '?';
	n = utf8_whole(shown.data,
	    shown.len < SHOWN_MAX ? shown.len : SHOWN_MAX);
	(void)err_set(e, ERR_INVALID, "Invalid GitHub URL format: %.*s", (int)n,
	    shown.data == NULL ? "" : shown.data);
	buf_clear(&shown);
	return -1;
}

static void
write_host(struct repo_url *u, const struct parts *p)
{
	for (size_t i = 0; i < p->host.len; i++)
		u->host[i] = lower(p->host.at[i]);
	u->host[p->host.len] = '\0';
	if (p->port != 0)
		(void)snprintf(u->host + p->host.len,
		    sizeof(u->host) - p->host.len, ":%u", p->port);
}

int
repo_url_read(struct repo_url *u, const char *text,
    const struct repo_policy *policy, struct err *e)
{
	struct parts p = { 0 };
	struct span s = trim((struct span){ text, strlen(text) });
	int n;

	if (!read_parts(s, &p) || (p.http && !policy->allow_http))
		return refuse(s, e);
	memset(u, 0, sizeof(*u));
	write_host(u, &p);
	if (!is_allowed(u->host, policy->allowed_hosts))
		return refuse(s, e);
	memcpy(u->owner, p.owner.at, p.owner.len);
	memcpy(u->name, p.name.at, p.name.len);
	memcpy(u->stored, s.at, s.len);
	/*
	 * Always with ".git": every host knows it, and some redirect without
	 * it, which we do not follow (R3).
	 */
	n = snprintf(u->clone, sizeof(u->clone), "%s://%s/%s/%s.git",
	    p.http ? "http" : "https", u->host, u->owner, u->name);
	if (n < 0 || (size_t)n >= sizeof(u->clone))
		return refuse(s, e);
	return 0;
}

void
repo_url_origin(const struct repo_url *u, char out[REPO_HOST_MAX + 20])
{
	/* clone is built by us and always has a path. */
	const char *host = strstr(u->clone, "://") + 3;
	size_t len = (size_t)(strchr(host, '/') - u->clone) + 1;

	memcpy(out, u->clone, len);
	out[len] = '\0';
}
