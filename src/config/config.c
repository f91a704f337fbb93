#include "config/config.h"

#include <ctype.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/accounts.h"
#include "config/places.h"
#include "config/settings.h"
#include "util/encode.h"
#include "util/file.h"

#define FILE_MAX_BYTES (64 * 1024)
#define DEFAULT_FILE TASKMILL_SYSCONFDIR "/taskmill/taskmill.conf"

static int
put_defaults(struct config *c, struct err *e)
{
	for (size_t i = 0; i < setting_count; i++)
		if (setting_put_default(c, &settings[i], e) == -1)
			return -1;
	return 0;
}

/* Cuts blanks at both ends and one pair of double quotes; changes text. */
static char *
trim_value(char *text)
{
	size_t len;

	text += strspn(text, " \t");
	len = strlen(text);
	while (len > 0 && isspace((unsigned char)text[len - 1]))
		text[--len] = '\0';
	if (len >= 2 && text[0] == '"' && text[len - 1] == '"') {
		text[len - 1] = '\0';
		text++;
	}
	return text;
}

/* seen has one byte a setting: named twice is a mistake worth a word. */
static int
put_line(struct config *c, char *line, char *seen, struct err *e)
{
	const struct setting *s;
	char *eq;
	size_t len;

	line += strspn(line, " \t");
	if (line[0] == '\0' || line[0] == '#' || line[0] == '\r')
		return 0;
	if ((eq = strchr(line, '=')) == NULL)
		return err_set(e, ERR_INVALID, "is not KEY=value");
	len = (size_t)(eq - line);
	while (len > 0 && isspace((unsigned char)line[len - 1]))
		len--;
	if ((s = setting_find(line, len)) == NULL)
		return err_set(e, ERR_INVALID, "there is no setting %.*s",
		    len > 60 ? 60 : (int)len, line);
	if (seen[s - settings]++ != 0)
		return err_set(e, ERR_INVALID, "%s stands here again", s->name);
	return setting_put(c, s, trim_value(eq + 1), e);
}

static int
put_text(struct config *c, char *text, struct err *e)
{
	unsigned int number = 0;
	char *seen, *line;
	int rc = -1;

	if ((seen = calloc(setting_count, 1)) == NULL)
		return err_sys(e, ERR_RETRY, "settings");
	while ((line = strsep(&text, "\n")) != NULL) {
		number++;
		if (put_line(c, line, seen, e) == -1) {
			err_wrap(e, "line %u", number);
			goto out;
		}
	}
	rc = 0;
out:
	free(seen);
	return rc;
}

static int
put_file(struct config *c, const char *path, bool must, struct err *e)
{
	struct buf b = BUF(FILE_MAX_BYTES);
	int rc = -1;

	if (file_read(AT_FDCWD, path, &b, e) == -1) {
		if (!must && e->kind == ERR_ABSENT) {
			*e = (struct err){ 0 };
			c->file = strdup("");
			rc = c->file != NULL ? 0
					     : err_sys(e, ERR_RETRY, "config");
		}
		goto out;
	}
	if ((c->file = strdup(path)) == NULL) {
		err_sys(e, ERR_RETRY, "config");
		goto out;
	}
	if (b.len > 0 && memchr(b.data, '\0', b.len) != NULL) {
		err_set(e, ERR_INVALID, "%s holds a NUL byte", path);
		goto out;
	}
	if (b.len > 0 && put_text(c, b.data, e) == -1) {
		err_wrap(e, "%s", path);
		goto out;
	}
	rc = 0;
out:
	buf_wipe(&b);
	return rc;
}

static int
put_environment(struct config *c, struct err *e)
{
	for (size_t i = 0; i < setting_count; i++) {
		const char *value = getenv(settings[i].name);

		if (value != NULL &&
		    setting_put(c, &settings[i], value, e) == -1)
			return err_wrap(e, "environment");
	}
	return 0;
}

/* Where a path was left empty: below STATE_DIR. */
static int
below_state(const struct config *c, char **at, const char *name, struct err *e)
{
	char *path;

	if ((*at)[0] != '\0')
		return 0;
	if (asprintf(&path, "%s/%s", c->state_dir, name) == -1)
		return err_set(e, ERR_RETRY, "out of memory");
	free(*at);
	*at = path;
	return 0;
}

static bool
delays_valid(const char *text)
{
	const char *p = text;

	for (;;) {
		size_t digits = strspn(p, "0123456789");

		if (digits == 0 || digits > 5)
			return false;
		p += digits;
		if (*p == '\0')
			return true;
		if (*p++ != ',')
			return false;
	}
}

/* https; or http that does not leave this machine; or not set. */
static bool
is_safe_url(const char *url)
{
	static const char *const hosts[] = { "127.0.0.1", "[::1]",
		"localhost" };

	if (url[0] == '\0' || strncmp(url, "https://", 8) == 0)
		return true;
	if (strncmp(url, "http://", 7) != 0)
		return false;
	for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
		size_t n = strlen(hosts[i]);

		if (strncmp(url + 7, hosts[i], n) == 0 &&
		    strchr(":/", url[7 + n]) != NULL)
			return true;
	}
	return false;
}

static bool
is_e2b_url(const struct config *c, const char *url)
{
	return is_safe_url(url) ||
	    (c->e2b_allow_http && strncmp(url, "http://", 7) == 0);
}

/*
 * Commands that a task may need beside its clone and its agent, each for as
 * long as COMMAND_TIMEOUT_S: those that collect the changes.
 */
#define COMMANDS 6

/* What no single setting can be judged by alone (reliability 17). */
static int
check_together(const struct config *c, struct err *e)
{
	long steps_s =
	    c->clone_limit_s + c->agent_limit_s + COMMANDS * c->command_limit_s;

	if (c->jwt_secret[0] == '\0')
		return err_set(e, ERR_INVALID,
		    "JWT_SECRET is not set: put at least 32 random bytes into "
		    "the configuration (openssl rand -hex 32)");
	if (c->renew_s * 3 >= c->lease_s)
		return err_set(e, ERR_INVALID,
		    "RENEW_S=%ld is too long for LEASE_S=%ld: a lease must "
		    "outlive three renewals",
		    c->renew_s, c->lease_s);
	if (strcmp(c->api_socket, c->outbound_socket) == 0)
		return err_set(e, ERR_INVALID,
		    "OUTBOUND_SOCKET=%s is API_SOCKET too", c->api_socket);
	if (c->state_dir[0] != '/')
		return err_set(e, ERR_INVALID,
		    "STATE_DIR=%s is not an absolute path", c->state_dir);
	if (!delays_valid(c->retry_delays_s))
		return err_set(e, ERR_INVALID,
		    "RETRY_DELAYS_S=%s is not numbers of seconds separated "
		    "by commas",
		    c->retry_delays_s);
	if (c->sandbox_life_s < steps_s)
		return err_set(e, ERR_INVALID,
		    "SANDBOX_LIFE_S=%ld is shorter than CLONE_TIMEOUT_S + "
		    "AGENT_TIMEOUT_S + %d COMMAND_TIMEOUT_S = %ld",
		    c->sandbox_life_s, COMMANDS, steps_s);
	if (!is_e2b_url(c, c->e2b_api_url) ||
	    !is_e2b_url(c, c->e2b_sandbox_url))
		return err_set(e, ERR_INVALID,
		    "E2B_API_URL and E2B_SANDBOX_URL must begin with https://; "
		    "http:// is for 127.0.0.1, [::1] and localhost, and with "
		    "E2B_ALLOW_HTTP=yes for others");
	if (c->db_socket[0] == '\0' && c->db_ca_file[0] == '\0' &&
	    strcmp(c->db_host, "localhost") != 0 &&
	    strcmp(c->db_host, "127.0.0.1") != 0 &&
	    strcmp(c->db_host, "::1") != 0)
		return err_set(e, ERR_INVALID,
		    "DB_CA_FILE is not set: the password would go to %s "
		    "unprotected",
		    c->db_host);
	return 0;
}

int
config_load(struct config *c, const char *path, struct err *e)
{
	bool must = true;
	int rc = -1;

	memset(c, 0, sizeof(*c));
	if (path == NULL)
		path = getenv("TASKMILL_CONFIG");
	if (path == NULL || path[0] == '\0') {
		path = DEFAULT_FILE;
		must = false;
	}
	if (put_defaults(c, e) == -1 || put_file(c, path, must, e) == -1 ||
	    put_environment(c, e) == -1 ||
	    below_state(c, &c->sandbox_dir, "box", e) == -1 ||
	    below_state(c, &c->api_socket, "api.sock", e) == -1 ||
	    below_state(c, &c->outbound_socket, "outbound.sock", e) == -1 ||
	    check_together(c, e) == -1 || config_check_places(c, e) == -1 ||
	    config_check_accounts(c, e) == -1)
		goto out;
	rc = 0;
out:
	if (rc == -1) {
		err_wrap(e, "configuration");
		config_clear(c);
	}
	return rc;
}

void
config_clear(struct config *c)
{
	for (size_t i = 0; i < setting_count; i++)
		setting_clear(c, &settings[i]);
	free(c->file);
	memset(c, 0, sizeof(*c));
}

void
config_print_json(const struct config *c, struct json_out *json)
{
	char number[64];

	json_open(json);
	for (size_t i = 0; i < setting_count; i++) {
		const struct setting *s = &settings[i];

		json_name(json, s->name);
		if (s->kind == SETTING_NUMBER)
			json_int(json,
			    strtol(setting_show(c, s, number), NULL, 10));
		else if (s->kind == SETTING_FLAG)
			json_bool(json,
			    strcmp(setting_show(c, s, number), "yes") == 0);
		else
			json_text(json, setting_show(c, s, number));
	}
	json_close(json);
}

void
config_print_text(const struct config *c, struct buf *out)
{
	char number[64];

	for (size_t i = 0; i < setting_count; i++)
		buf_addf(out, "%s=%s\n\t# %s\n", settings[i].name,
		    setting_show(c, &settings[i], number), settings[i].help);
}

bool
config_is_setting(const char *name)
{
	return setting_find(name, strlen(name)) != NULL;
}

const char *
config_mode(const struct config *c)
{
	return c->e2b_api_key[0] != '\0' ? "e2b" : "simulation";
}

void
config_deployment(const struct config *c, char out[CONFIG_DEPLOYMENT])
{
	static const char purpose[] = "taskmill deployment";
	uint8_t inner[SHA256_BYTES], outer[SHA256_BYTES + sizeof(purpose)];

	/* Twice, so that it is no prefix of anything else made of it. */
	sha256(inner, c->jwt_secret, strlen(c->jwt_secret));
	memcpy(outer, purpose, sizeof(purpose));
	memcpy(outer + sizeof(purpose), inner, sizeof(inner));
	sha256(inner, outer, sizeof(outer));
	encode_hex(out, inner, (CONFIG_DEPLOYMENT - 1) / 2);
	explicit_bzero(outer, sizeof(outer));
}

unsigned int
config_retry_delay_ms(const struct config *c, unsigned int tries)
{
	const char *p = c->retry_delays_s;
	unsigned long s = 0;

	for (unsigned int i = 0; i < tries || i == 0; i++) {
		char *end;

		s = strtoul(p, &end, 10);
		if (*end != ',')
			break;
		p = end + 1;
	}
	return (unsigned int)(s * 1000);
}
