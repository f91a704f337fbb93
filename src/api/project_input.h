#ifndef API_PROJECT_INPUT_H
#define API_PROJECT_INPUT_H

#include "api/call.h"
#include "repo/url.h"
#include "store/project.h"

/*
 * project_input: what a project is to be (contract 5.2, 5.4). Only these five
 * fields are read, whatever else is sent (D27).
 */
#define PROJECT_NAME_MAX 255          /* characters */
#define PROJECT_DESCRIPTION_MAX 10000 /* characters */
#define PROJECT_SETTINGS_MAX ((size_t)64 * 1024)

struct project_input {
	struct project_values values; /* borrowed from here and the body */
	struct repo_url repo;
	struct buf settings;
};

/* All texts of ERR_INVALID are for the client. */
int project_input_new(struct project_input *in, const struct call *c,
    struct err *e) MUST_CHECK;

/* The fields that are there; the others stay NULL. */
int project_input_change(struct project_input *in, const struct call *c,
    struct err *e) MUST_CHECK;
void project_input_clear(struct project_input *in); /* takes a zeroed struct */

#endif
