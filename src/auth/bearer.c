#include "auth/bearer.h"

#include <string.h>
#include <strings.h>

#define SCHEME "bearer"
#define SCHEME_LEN (sizeof(SCHEME) - 1)

int
bearer_read(struct jwt_text *token, const char *header, struct err *e)
{
	const char *blank;

	if (header == NULL || header[0] == '\0')
		return err_set(e, ERR_UNKNOWN, "Missing authorization header");
	blank = strchr(header, ' ');
	if (blank == NULL || strchr(blank + 1, ' ') != NULL)
		return err_set(e, ERR_UNKNOWN,
		    "Invalid authorization header format");
	if ((size_t)(blank - header) != SCHEME_LEN ||
	    strncasecmp(header, SCHEME, SCHEME_LEN) != 0)
		return err_set(e, ERR_UNKNOWN, "Invalid authentication scheme");
	token->text = blank + 1;
	token->len = strlen(blank + 1);
	return 0;
}
