#include "cmd/admin.h"

#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

/* Reads a line without its newline. -1: end of file, or too long. */
static int
read_line(char *out, size_t size, struct err *e)
{
	if (fgets(out, (int)size, stdin) == NULL)
		return err_set(e, ERR_INVALID,
		    "nothing was given on "
		    "standard input");
	if (strchr(out, '\n') == NULL && strlen(out) == size - 1)
		return err_set(e, ERR_INVALID, "is longer than %zu bytes",
		    size - 2);
	out[strcspn(out, "\r\n")] = '\0';
	return 0;
}

int
secret_input(char *out, size_t size, const char *prompt, struct err *e)
{
	struct termios before, silent;
	bool terminal = tcgetattr(STDIN_FILENO, &before) == 0;
	int rc;

	if (terminal) {
		(void)fprintf(stderr, "%s: ", prompt);
		silent = before;
		silent.c_lflag &= ~(tcflag_t)ECHO;
		(void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent);
	}
	rc = read_line(out, size, e);
	if (terminal) {
		(void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
		(void)fputc('\n', stderr);
	}
	if (rc == -1)
		explicit_bzero(out, size);
	return rc;
}
