#ifndef CONFIG_SETTINGS_H
#define CONFIG_SETTINGS_H

#include <stddef.h>

#include "config/config.h"

/*
 * settings: the one table of all settings, and how a value gets into its
 * field. Private to config/.
 */

enum setting_kind {
	SETTING_TEXT,   /* char *; min and max are its length */
	SETTING_SECRET, /* the same, never printed, wiped */
	SETTING_CHOICE, /* char *; one of the words in choices */
	SETTING_NUMBER, /* long, min to max */
	SETTING_FLAG    /* bool; yes, no, true, false, 1, 0, on, off */
};

struct setting {
	const char *name;
	enum setting_kind kind;
	size_t at;
	const char *def;
	long min, max;
	const char *choices; /* blank-separated; NULL for other kinds */
	const char *help;
};

extern const struct setting settings[];
extern const size_t setting_count;

const struct setting *setting_find(const char *name, size_t len);

/*
 * Puts text into the setting's field, replacing what is there. ERR_INVALID
 * says the name, the value (not of a secret), and what would be right.
 */
int setting_put(struct config *c, const struct setting *s, const char *text,
    struct err *e) MUST_CHECK;

/* Puts the default, or for a secret "": "not given", which is judged later. */
int setting_put_default(struct config *c, const struct setting *s,
    struct err *e) MUST_CHECK;

/* The value as text; out has room for 64 bytes, used for numbers. */
const char *setting_show(const struct config *c, const struct setting *s,
    char out[64]);

void setting_clear(struct config *c, const struct setting *s);

#endif
