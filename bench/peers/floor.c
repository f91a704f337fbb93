/*
 * floor: the least that any program in our place must do for task-status:
 * take a FastCGI request, run the one prepared SELECT, print its columns. No
 * token, no JSON, no limits, no log. What taskmill adds is measured against it.
 *
 * Environment: FLOOR_DB_SOCKET, FLOOR_DB_NAME, FLOOR_DB_USER, FLOOR_SQL (the
 * statement, with the task's id and then the user's id bound), FLOOR_USER.
 * Run by spawn-fcgi on fd 0.
 */
#include <fcgiapp.h>
#include <mysql.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COLUMNS_MAX 16
#define COLUMN_BYTES 2048

struct column {
	char text[COLUMN_BYTES];
	unsigned long len;
	my_bool is_null;
	my_bool error;
};

static _Noreturn void
die(const char *what)
{
	(void)fprintf(stderr, "floor: %s\n", what);
	exit(1);
}

static MYSQL_STMT *
prepare(void)
{
	const char *sql = getenv("FLOOR_SQL");
	MYSQL *db = mysql_init(NULL);
	MYSQL_STMT *s;

	if (sql == NULL || db == NULL ||
	    mysql_real_connect(db, NULL, getenv("FLOOR_DB_USER"), "",
	        getenv("FLOOR_DB_NAME"), 0, getenv("FLOOR_DB_SOCKET"), 0) ==
	        NULL)
		die("cannot connect");
	if ((s = mysql_stmt_init(db)) == NULL ||
	    mysql_stmt_prepare(s, sql, strlen(sql)) != 0)
		die("cannot prepare");
	return s;
}

static void
answer(FCGX_Request *rq, MYSQL_STMT *s, struct column *c, unsigned int n)
{
	char body[COLUMNS_MAX * COLUMN_BYTES];
	size_t used = 0;

	if (mysql_stmt_execute(s) != 0 || mysql_stmt_fetch(s) == 1)
		die("cannot read");
	for (unsigned int i = 0; i < n; i++) {
		if (!c[i].is_null) {
			memcpy(body + used, c[i].text, c[i].len);
			used += c[i].len;
		}
		body[used++] = '\n';
	}
	(void)mysql_stmt_free_result(s);
	(void)FCGX_PutS("Content-Type: text/plain\r\n\r\n", rq->out);
	(void)FCGX_PutStr(body, (int)used, rq->out);
}

int
main(void)
{
	static struct column c[COLUMNS_MAX];
	MYSQL_BIND in[2] = { 0 }, out[COLUMNS_MAX] = { 0 };
	char *user = getenv("FLOOR_USER");
	unsigned long user_len = user != NULL ? strlen(user) : 0;
	MYSQL_STMT *s = prepare();
	unsigned int n = mysql_stmt_field_count(s);
	FCGX_Request rq;
	long long id;

	if (user == NULL || n > COLUMNS_MAX)
		die("FLOOR_USER or FLOOR_SQL is not right");
	in[0].buffer_type = MYSQL_TYPE_LONGLONG;
	in[0].buffer = &id;
	in[1].buffer_type = MYSQL_TYPE_STRING;
	in[1].buffer = user;
	in[1].buffer_length = user_len;
	in[1].length = &user_len;
	for (unsigned int i = 0; i < n; i++) {
		out[i].buffer_type = MYSQL_TYPE_STRING;
		out[i].buffer = c[i].text;
		out[i].buffer_length = COLUMN_BYTES;
		out[i].length = &c[i].len;
		out[i].is_null = &c[i].is_null;
		out[i].error = &c[i].error;
	}
	if (mysql_stmt_bind_param(s, in) != 0 ||
	    mysql_stmt_bind_result(s, out) != 0)
		die("cannot bind");
	(void)FCGX_Init();
	(void)FCGX_InitRequest(&rq, 0, 0);
	while (FCGX_Accept_r(&rq) == 0) {
		const char *uri = FCGX_GetParam("REQUEST_URI", rq.envp);
		const char *last = uri != NULL ? strrchr(uri, '/') : NULL;

		id = last != NULL ? atoll(last + 1) : 0;
		answer(&rq, s, c, n);
		FCGX_Finish_r(&rq);
	}
	return 0;
}
