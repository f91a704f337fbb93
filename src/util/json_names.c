#include "util/json_names.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_NAMES 32

int
json_hex4(const char *p)
{
	int n = 0;

	for (int i = 0; i < 4; i++) {
		char c = p[i];

		if (c >= '0' && c <= '9')
			n = n * 16 + (c - '0');
		else if (c >= 'a' && c <= 'f')
			n = n * 16 + (c - 'a' + 10);
		else if (c >= 'A' && c <= 'F')
			n = n * 16 + (c - 'A' + 10);
		else
			return -1;
	}
	return n;
}

int
json_names_add(struct json_names *n, const char *raw, size_t len, struct err *e)
{
	struct json_name *list;
	size_t cap;

	if (n->count == n->cap) {
		cap = n->cap == 0 ? FIRST_NAMES : n->cap * 2;
		list = reallocarray(n->list, cap, sizeof(*list));
		if (list == NULL)
			return err_set(e, ERR_RETRY, "out of memory");
		n->list = list;
		n->cap = cap;
	}
	n->list[n->count++] = (struct json_name){ raw, len };
	return 0;
}

/* The code point of the escape at p; *n is how long that is. */
static uint32_t
escaped(const char *p, size_t *n)
{
	static const char letters[] = "\"\\/bfnrt";
	static const char meant[] = "\"\\/\b\f\n\r\t";
	uint32_t high;

	if (p[1] != 'u') {
		*n = 2;
		return (unsigned char)meant[strchr(letters, p[1]) - letters];
	}
	high = (uint32_t)json_hex4(p + 2);
	*n = 6;
	if (high < 0xd800 || high > 0xdbff)
		return high;
	*n = 12;
	return 0x10000 + ((high - 0xd800) << 10) +
	    ((uint32_t)json_hex4(p + 8) - 0xdc00);
}

/* The code point at p, written as itself or as an escape. */
static uint32_t
point(const char *p, size_t *n)
{
	unsigned char c = (unsigned char)*p;
	uint32_t u;

	if (c == '\\')
		return escaped(p, n);
	*n = c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
	if (*n == 1)
		return c;
	u = c & (0x7fu >> *n);
	for (size_t i = 1; i < *n; i++)
		u = u << 6 | ((unsigned char)p[i] & 0x3f);
	return u;
}

/* The order of two names as decoded; 0 when they are the same. */
static int
compare(const struct json_name *a, const struct json_name *b)
{
	size_t i = 0, j = 0, n, m;

	while (i < a->len && j < b->len) {
		uint32_t p = point(a->raw + i, &n);
		uint32_t q = point(b->raw + j, &m);

		if (p != q)
			return p < q ? -1 : 1;
		i += n;
		j += m;
	}
	return (i < a->len) - (j < b->len);
}

/* For qsort: equal names in the order of the text. */
static int
order(const void *one, const void *two)
{
	const struct json_name *a = one, *b = two;
	int c = compare(a, b);

	if (c != 0)
		return c;
	return (a->raw > b->raw) - (a->raw < b->raw);
}

const char *
json_names_again(struct json_names *n, size_t first)
{
	struct json_name *list;
	const char *again = NULL;

	if (n->count - first < 2)
		return NULL;
	list = n->list + first;
	qsort(list, n->count - first, sizeof(*list), order);
	for (size_t i = 1; i < n->count - first; i++)
		if (compare(&list[i - 1], &list[i]) == 0 &&
		    (again == NULL || list[i].raw < again))
			again = list[i].raw;
	return again;
}

void
json_names_clear(struct json_names *n)
{
	free(n->list);
	n->list = NULL;
	n->count = n->cap = 0;
}
