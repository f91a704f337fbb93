#ifndef CMD_CHECK_REPORT_H
#define CMD_CHECK_REPORT_H

#include <stdbool.h>
#include <stddef.h>

#include "config/config.h"

/*
 * check_report: what "taskmill check" has found, for people or programs.
 */

enum verdict {
	CHECK_OK,
	CHECK_WARN,
	CHECK_FAIL
};

/* One line of the report; detail tells what to do when it is not ok. */
struct finding {
	const char *name;
	enum verdict verdict;
	char detail[640];
};

/*
 * Prints the settings in force and n findings to standard output. True unless
 * one of them is a failure.
 */
bool check_report(const struct config *cfg, const struct finding *found,
    size_t n, bool json);

#endif
