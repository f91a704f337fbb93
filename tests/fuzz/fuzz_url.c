/*
 * Any text as a repository URL and as a branch name. Whatever is taken must
 * have the form that git is safe with (R4, U10), whatever was typed.
 */
#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "repo/branch.h"
#include "repo/url.h"
#include "util/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
must(bool holds)
{
	if (!holds)
		abort();
}

static void
must_be_name(const char *name)
{
	must(*name != '\0' && *name != '-' && strcmp(name, ".") != 0 &&
	    strcmp(name, "..") != 0);
	for (; *name != '\0'; name++)
		must(isalnum((unsigned char)*name) ||
		    strchr("._-", *name) != NULL);
}

static void
check_url(const char *text)
{
	static const struct repo_policy policies[] = {
		{ "github.com", false },
		{ "github.com, example.org:8443,localhost:80", true },
	};
	char origin[REPO_HOST_MAX + 20], want[REPO_URL_MAX + 8];
	struct repo_url u, again;
	struct err e = { 0 };

	for (size_t i = 0; i < 2; i++) {
		const struct repo_policy *policy = &policies[i];

		if (repo_url_read(&u, text, policy, &e) == -1) {
			must(e.kind == ERR_INVALID);
			must(utf8_valid(e.text, strlen(e.text)));
			continue;
		}
		must_be_name(u.owner);
		must_be_name(u.name);
		must(strstr(policy->allowed_hosts, u.host) != NULL);
		repo_url_origin(&u, origin);
		(void)snprintf(want, sizeof(want), "%s%s/%s.git", origin,
		    u.owner, u.name);
		must(strcmp(want, u.clone) == 0);
		must(strncmp(u.clone, "https://", 8) == 0 ||
		    (policy->allow_http &&
			strncmp(u.clone, "http://", 7) == 0));
		must(strpbrk(u.clone, "@%\\?# \t\r\n\"'`$;&|<>") == NULL);
		must(strstr(text, u.stored) != NULL);
		/* What we build, we take, and build the same again. */
		must(repo_url_read(&again, u.clone, policy, &e) == 0);
		must(strcmp(again.clone, u.clone) == 0);
	}
}

static void
check_branch(const char *name)
{
	size_t len = strlen(name);

	if (!branch_valid(name))
		return;
	must(len >= 1 && len <= BRANCH_MAX);
	must(strchr("-/.~", name[0]) == NULL);
	must(strchr("/.", name[len - 1]) == NULL);
	must(strstr(name, "..") == NULL && strstr(name, "//") == NULL);
	must(strstr(name, "/.") == NULL && strstr(name, ".lock/") == NULL);
	for (; *name != '\0'; name++)
		must(isalnum((unsigned char)*name) ||
		    strchr("._/-", *name) != NULL);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);

	if (text == NULL)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	check_url(text);
	check_branch(text);
	free(text);
	return 0;
}
