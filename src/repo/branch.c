#include "repo/branch.h"

#include <stddef.h>
#include <string.h>

static bool
is_branch_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	    (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '/' ||
	    c == '-';
}

/* One part between slashes, by git's rules. */
static bool
is_component(const char *p, size_t len)
{
	static const char lock[] = ".lock";
	const size_t tail = sizeof(lock) - 1;

	if (len == 0 || p[0] == '.')
		return false;
	return len < tail || memcmp(p + len - tail, lock, tail) != 0;
}

bool
branch_valid(const char *name)
{
	size_t len, start = 0;

	if (name == NULL || (len = strnlen(name, BRANCH_MAX + 1)) == 0 ||
	    len > BRANCH_MAX)
		return false;
	/* '-' would be an option (R4); '/' and '.' fall to is_component. */
	if (name[0] == '-' || name[len - 1] == '.' || strcmp(name, "HEAD") == 0)
		return false;
	for (size_t i = 0; i <= len; i++) {
		if (i < len && !is_branch_char(name[i]))
			return false;
		if (i < len && name[i] == '.' && name[i + 1] == '.')
			return false;
		if (i == len || name[i] == '/') {
			if (!is_component(name + start, i - start))
				return false;
			start = i + 1;
		}
	}
	return true;
}
