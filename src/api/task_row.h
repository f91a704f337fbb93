#ifndef API_TASK_ROW_H
#define API_TASK_ROW_H

#include "store/task.h"
#include "util/json.h"

/*
 * task_row: a task as JSON, wherever one is shown in full (contract 3.4).
 */

/* A timestamp of the database layer: "" and NULL are both unset. */
void put_time(struct json_out *j, const char *name, const char *time);

/* A column that holds JSON; null when there is none. */
void put_json(struct json_out *j, const char *name, const char *json,
    size_t len);

/* "project_id": a number or null. */
void put_project_id(struct json_out *j, const struct task_row *row);
void put_diff(struct json_out *j, const struct task_row *row);

/* Every column of the contract's table, in its order, as members. */
int put_task_columns(struct json_out *j, const struct task_row *row,
    struct err *e) MUST_CHECK;

/*
 * The same in a list. Behind LIST_BULK_MAX bytes of answer the rows come
 * without diff, patch and file contents: a list of everything that somebody
 * ever did must still be a list. Who wants them asks for the one task.
 */
#define LIST_BULK_MAX ((size_t)32 * 1024 * 1024)
int put_task_columns_in_list(struct json_out *j, const struct task_row *row,
    struct err *e) MUST_CHECK;

/* {"status":"success","task":{...}} of one task; ERR_ABSENT. */
struct call;
int answer_task(struct call *c, struct err *e) MUST_CHECK;

#endif
