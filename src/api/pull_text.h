#ifndef API_PULL_TEXT_H
#define API_PULL_TEXT_H

#include <stddef.h>

#include "util/buf.h"
#include "util/json.h"

/*
 * pull_text: what a pull request says when its user does not (contract 4.2).
 * Pure.
 */

/* "Claude Code: <first 50 characters of the prompt>...", on one line. */
void pull_title(struct buf *out, const char *prompt);

/*
 * The standard text with prompt and files; what does not fit into max_chars
 * characters is counted at its end. files is a JSON array, or NULL.
 */
void pull_body(struct buf *out, const char *prompt, struct json_object *files,
    size_t max_chars);

/* A text of several lines as one of at most size - 1 bytes, valid UTF-8. */
void pull_flatten(char *out, size_t size, const char *text);

#endif
