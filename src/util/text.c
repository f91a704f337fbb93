#include "util/text.h"

#include <stdlib.h>
#include <string.h>

int
text_set(char **to, const char *text, struct err *e)
{
	char *copy = strdup(text);

	if (copy == NULL)
		return err_set(e, ERR_RETRY, "out of memory");
	free(*to);
	*to = copy;
	return 0;
}
