#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "util/json_items.h"

/* Items as "line:key=text;"; the end is "." and an error "!". */
static void
expect(const char *text, const char *want)
{
	struct json_items it;
	struct json_item item;
	struct err e = { 0 };
	char got[500] = "";
	int rc;

	rc = json_items_open(&it, text, strlen(text), 1, &e);
	while (rc == 0 && (rc = json_items_next(&it, &item, &e)) == 1) {
		(void)snprintf(got + strlen(got), sizeof(got) - strlen(got),
		    "%zu:%.*s=%.*s;", item.line, (int)item.key_len,
		    item.key == NULL ? "" : item.key, (int)item.len, item.text);
		rc = 0;
		continue;
	}
	if (rc == 0 && it.at != it.end)
		rc = -1;
	(void)strcat(got, rc == -1 ? "!" : ".");
	assert_string_equal(got, want);
}

static void
arrays_and_objects_come_apart(void **state)
{
	(void)state;
	expect("[]", ".");
	expect(" { } \n", ".");
	expect("[1,\"a,]\\\"}\",[2,[3]],\n{\"x\":[1,2]}]",
	    "1:=1;1:=\"a,]\\\"}\";1:=[2,[3]];2:={\"x\":[1,2]};.");
	expect("{\"a\" : 1 ,\n \"b,:\": {\"c\":2}\n}",
	    "1:a=1;2:b,:={\"c\":2};.");
	expect("\xef\xbb\xbf[1]", "1:=1;.");
	expect("[\"a\nb\",\n2]", "1:=\"a\nb\";3:=2;.");
}

static void
what_does_not_match_ends_it(void **state)
{
	(void)state;
	expect("", "!");
	expect("1", "!");
	expect("[", "!");
	expect("[1", "!");
	expect("[1,", "1:=1;!");
	expect("[1,]", "1:=1;!");
	expect("[,1]", "!");
	expect("[1] 2", "1:=1;!");
	expect("[\"a", "!");
	expect("{1:2}", "!");
	expect("{\"a\"}", "!");
	expect("{\"a\":}", "!");
	expect("{\"a\":1 \"b\":2}", "1:a=1 \"b\":2;.");
	expect("[\"\\", "!");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(arrays_and_objects_come_apart),
		cmocka_unit_test(what_does_not_match_ends_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
