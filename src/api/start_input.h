#ifndef API_START_INPUT_H
#define API_START_INPUT_H

#include "api/body.h"
#include "api/call.h"
#include "repo/url.h"

/*
 * start_input: what start-task is asked, checked in the order of contract 3.1.
 */
#define GITHUB_TOKEN_MAX 1024
#define IDEM_KEY_MAX 255
#define AGENT_CHOICES_MAX 4096

struct start_input {
	char *prompt; /* stripped */
	struct repo_url repo;
	const char *branch;       /* borrowed from the body, or a literal */
	const char *model;        /* borrowed from the list of agents */
	const char *agent_model;  /* borrowed from the body; NULL: none */
	const char *github_token; /* borrowed from the body; secret */
	int64_t project_id;       /* 0: none */
	const char *idem_key;     /* borrowed from the request; NULL: none */
};

/* ERR_INVALID: a text for the client; ERR_ABSENT: "Project not found". */
int start_input_read(struct start_input *in, const struct call *c,
    struct err *e) MUST_CHECK;
void start_input_clear(struct start_input *in); /* takes a zeroed struct */

/*
 * SHA-256 of what is asked in one canonical form: each value behind its
 * length, so that no two requests have the same. The credential is not in it:
 * a retry with a renewed token is the same wish, and no trace of a token may
 * lie in the database.
 */
int start_input_hash(const struct start_input *in, uint8_t hash[SHA256_BYTES],
    struct err *e) MUST_CHECK;

#endif
