#include "api/rest_query.h"

#include <string.h>

#include "http/http.h"

#define SELECT "*,project:projects(id,name,repo_name,repo_owner)"
#define ORDER "created_at.desc"
#define EQUALS "eq."
#define VALUE_MAX 128

#define CODE_QUERY "PGRST100" /* a query that is not understood */
#define CODE_VALUE "22P02"    /* a value that its column cannot have */

enum name {
	SELECT_NAME,
	USER_NAME,
	ID_NAME,
	ORDER_NAME,
	NAME_N
};

static const char *const names[NAME_N] = { "select", "user_id", "id", "order" };

static int
refuse(struct rest_query *q, struct err *e)
{
	q->code = CODE_QUERY;
	return err_set(e, ERR_INVALID,
	    "tasks are answered for select=" SELECT
	    " with user_id=eq.<uuid> (and order=" ORDER ") or id=eq.<n>");
}

/* Which of the names stands at p, n bytes long; NAME_N: none. */
static enum name
name_of(const char *p, size_t n)
{
	int i;

	for (i = 0; i < NAME_N; i++)
		if (strlen(names[i]) == n && memcmp(names[i], p, n) == 0)
			break;
	return (enum name)i;
}

/* Nothing but the four names, each of them once at most. */
static bool
only_known_names(const char *query, bool there[NAME_N])
{
	for (const char *p = query; *p != '\0';) {
		size_t n = strcspn(p, "&");
		enum name name = name_of(p, strcspn(p, "=&"));

		if (name == NAME_N || there[name])
			return false;
		there[name] = true;
		p += n;
		if (*p == '&' && *++p == '\0')
			return false;
	}
	return true;
}

static bool
has_value(const char *query, enum name name, const char *wanted)
{
	char value[VALUE_MAX];

	return http_query_get(query, names[name], value, sizeof(value)) &&
	    strcmp(value, wanted) == 0;
}

/* The operand of "eq."; NULL for any other operator. */
static const char *
operand(const char *query, enum name name, char space[VALUE_MAX])
{
	const size_t n = strlen(EQUALS);

	if (!http_query_get(query, names[name], space, VALUE_MAX) ||
	    strncmp(space, EQUALS, n) != 0)
		return NULL;
	return space + n;
}

static int
read_user(struct rest_query *q, const char *query, struct err *e)
{
	char space[VALUE_MAX];
	const char *text = operand(query, USER_NAME, space);

	if (text == NULL)
		return refuse(q, e);
	if (uuid_read(q->user_id, text))
		return 0;
	q->code = CODE_VALUE;
	return err_set(e, ERR_INVALID,
	    "invalid input syntax for type uuid: \"%s\"", text);
}

static int
read_id(struct rest_query *q, const char *query, struct err *e)
{
	char space[VALUE_MAX];
	const char *text = operand(query, ID_NAME, space);
	int64_t n = 0;

	if (text == NULL)
		return refuse(q, e);
	q->code = CODE_VALUE;
	if (*text == '\0' || text[strspn(text, "0123456789")] != '\0')
		return err_set(e, ERR_INVALID,
		    "invalid input syntax for type bigint: \"%s\"", text);
	for (const char *p = text; *p != '\0'; p++) {
		if (n > (INT64_MAX - (*p - '0')) / 10)
			return err_set(e, ERR_INVALID,
			    "value \"%s\" is out of range for type bigint",
			    text);
		n = n * 10 + (*p - '0');
	}
	/* No row has the id 0; to us it would mean "any". */
	q->id = n == 0 ? INT64_MAX : n;
	return 0;
}

int
rest_query_read(struct rest_query *q, const char *query, struct err *e)
{
	bool there[NAME_N] = { false };

	memset(q, 0, sizeof(*q));
	if (!only_known_names(query, there) ||
	    !has_value(query, SELECT_NAME, SELECT) ||
	    there[USER_NAME] == there[ID_NAME])
		return refuse(q, e);
	if (there[ORDER_NAME] &&
	    (there[ID_NAME] || !has_value(query, ORDER_NAME, ORDER)))
		return refuse(q, e);
	return there[USER_NAME] ? read_user(q, query, e) : read_id(q, query, e);
}
