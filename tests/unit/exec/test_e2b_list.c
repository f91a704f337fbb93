/* Filters as the service reads them, and pages as it writes them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "exec/e2b_list.h"

static void
a_filter_is_escaped_three_times(void **state)
{
	/* What the official SDK sends for these (E2B protocol 2.5). */
	const char *const pairs[][2] = { { "app", "demo" }, { "none", NULL },
		{ "k ey&=", "v/\xc3\xa4 +%" } };
	struct buf out = BUF(4096);

	(void)state;
	e2b_filter_write(&out, pairs, 3);
	assert_true(buf_ok(&out));
	assert_string_equal(out.data,
	    "app%3Ddemo%26k%252520ey%252526%25253D%3Dv%25252F%2525C3%2525A4"
	    "%252520%25252B%252525");
	buf_clear(&out);
}

static struct e2b_box boxes[E2B_PAGE_BOXES];

static size_t
read_page(const char *text)
{
	struct err e = { 0 };
	size_t n = 99;

	assert_int_equal(
	    e2b_boxes_read(boxes, &n, text, strlen(text), "d1", &e), 0);
	return n;
}

#define BOX(id, metadata)                                                \
	"{\"sandboxID\":\"" id "\",\"templateID\":\"t\",\"alias\":\"\"," \
	"\"state\":\"paused\",\"startedAt\":\"2026-01-02T03:04:05Z\","   \
	"\"endAt\":\"2026\\nx\",\"new\":[1],\"metadata\":" metadata "}"

static void
only_what_is_a_taskmills_comes(void **state)
{
	(void)state;
	assert_int_equal(read_page("[]"), 0);
	assert_int_equal(read_page("[1,null,\"x\",{},"
				   "{\"sandboxID\":\"i1\"}]"),
	    0);
	assert_int_equal(
	    read_page("[" BOX("i1", "{}") "," BOX("i1",
		"{\"app\":\"other\",\"deployment\":\"d1\"}") "," BOX("i1",
		"{\"app\":1}") "," BOX("",
		"{\"app\":\"taskmill\"}") "," BOX("../x",
		"{\"app\":\"taskmill\"}") "]"),
	    0);
	assert_int_equal(
	    read_page("[" BOX("i1",
		"{\"app\":\"taskmill\",\"deployment\":\"d1\",\"task\":\"7\","
		"\"attempt\":\"1000002\",\"nonce\":\"n\"}") "]"),
	    1);
	assert_string_equal(boxes[0].box.id, "i1");
	assert_string_equal(boxes[0].box.template_id, "t");
	assert_string_equal(boxes[0].box.ends, "2026?x");
	assert_string_equal(boxes[0].nonce, "n");
	assert_true(
	    boxes[0].box.ours && boxes[0].box.marked && boxes[0].box.paused);
	assert_int_equal(boxes[0].box.task_id, 7);
	assert_int_equal(boxes[0].box.attempt, 1000002);
}

static void
what_is_garbled_is_nobodys(void **state)
{
	static const char *const marks[] = { "", "\"task\":\"\"", "\"task\":7",
		"\"task\":\"07\"", "\"task\":\"-1\"", "\"task\":\"1x\"",
		"\"task\":\"99999999999999999999\"",
		"\"task\":\"1\",\"attempt\":\"4294967296\"",
		"\"task\":\"1\",\"attempt\":\" 1\"" };
	char text[600];

	(void)state;
	for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
		(void)snprintf(text, sizeof(text),
		    "[{\"sandboxID\":\"i1\",\"metadata\":{\"app\":\"taskmill\""
		    ",\"deployment\":\"d1\"%s%s}}]",
		    marks[i][0] == '\0' ? "" : ",", marks[i]);
		assert_int_equal(read_page(text), 1);
		assert_true(boxes[0].box.ours);
		assert_false(boxes[0].box.marked);
	}
	/* Another's deployment may begin like ours. */
	assert_int_equal(read_page("[{\"sandboxID\":\"i1\",\"metadata\":"
				   "{\"app\":\"taskmill\",\"deployment\":"
				   "\"d11\"}}]"),
	    1);
	assert_false(boxes[0].box.ours);
}

static void
a_page_has_its_bounds(void **state)
{
	struct buf text = BUF((size_t)1 << 20);
	struct err e = { 0 };
	size_t n;

	(void)state;
	buf_putc(&text, '[');
	for (int i = 0; i < E2B_PAGE_BOXES + 1; i++)
		buf_addf(&text,
		    "%s{\"sandboxID\":\"i%d\",\"metadata\":{\"app\":"
		    "\"taskmill\"}}",
		    i == 0 ? "" : ",", i);
	buf_putc(&text, ']');
	assert_int_equal(
	    e2b_boxes_read(boxes, &n, text.data, text.len, "d1", &e), -1);
	assert_int_equal(n, E2B_PAGE_BOXES);
	assert_int_equal(e2b_boxes_read(boxes, &n, "[{", 2, "d1", &e), -1);
	assert_int_equal(e2b_boxes_read(boxes, &n, "", 0, "d1", &e), -1);
	/* Well formed, and no list: nobody knows what there is. */
	assert_int_equal(e2b_boxes_read(boxes, &n, "{}", 2, "d1", &e), -1);
	assert_int_equal(e2b_boxes_read(boxes, &n, "null", 4, "d1", &e), -1);
	buf_clear(&text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_filter_is_escaped_three_times),
		cmocka_unit_test(only_what_is_a_taskmills_comes),
		cmocka_unit_test(what_is_garbled_is_nobodys),
		cmocka_unit_test(a_page_has_its_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
