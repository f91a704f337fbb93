#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "util/json.h"

static struct json_object *
read_text(const char *text)
{
	struct json_object *o = NULL;
	struct err e = { 0 };

	if (json_read(&o, text, strlen(text), &e) != 0)
		fail_msg("%s: %s", text, e.text);
	return o;
}

static void
every_document_is_built(void **state)
{
	static const char *const texts[] = { "null", " null\n", "42", " 42 ",
		"-1.5e3", "\"\"", "true", "[] ", "{\"a\":[{}]}\n\n" };
	struct json_object *o;
	char deep[2 * JSON_DEPTH_MAX + 2] = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		json_free(read_text(texts[i]));
	memset(deep, '[', JSON_DEPTH_MAX);
	memset(deep + JSON_DEPTH_MAX, ']', JSON_DEPTH_MAX);
	o = read_text(deep);
	assert_int_equal(json_array_size(o), 1);
	json_free(o);
	/* The innermost level may hold a scalar (K5). */
	memset(deep, '[', JSON_DEPTH_MAX);
	deep[JSON_DEPTH_MAX] = '1';
	memset(deep + JSON_DEPTH_MAX + 1, ']', JSON_DEPTH_MAX);
	json_free(read_text(deep));
	json_free(NULL);
}

static void
access_never_converts(void **state)
{
	struct json_object *o =
	    read_text("{\"s\":\"12abc\",\"i\":3,\"d\":3.0,\"b\":false,"
		      "\"n\":null,\"o\":{},\"a\":[\"x\",5],\"sf\":\"false\"}");
	struct json_object *member;
	const char *s;
	size_t len;
	int64_t n = -7;
	bool b = true;

	(void)state;
	assert_true(json_is_object(o));
	assert_int_equal(json_get_int(o, "i", &n), JSON_FOUND);
	assert_int_equal(n, 3);
	assert_int_equal(json_get_int(o, "s", &n), JSON_MISTYPED);
	assert_int_equal(json_get_int(o, "d", &n), JSON_MISTYPED);
	assert_int_equal(json_get_int(o, "b", &n), JSON_MISTYPED);
	assert_int_equal(json_get_int(o, "n", &n), JSON_MISSING);
	assert_int_equal(json_get_int(o, "zz", &n), JSON_MISSING);
	assert_int_equal(n, 3);
	assert_int_equal(json_get_bool(o, "b", &b), JSON_FOUND);
	assert_false(b);
	assert_int_equal(json_get_bool(o, "sf", &b), JSON_MISTYPED);
	assert_int_equal(json_get_bool(o, "i", &b), JSON_MISTYPED);
	assert_int_equal(json_get_string(o, "s", &s, &len), JSON_FOUND);
	assert_string_equal(s, "12abc");
	assert_int_equal(len, 5);
	assert_int_equal(json_get_string(o, "i", &s, &len), JSON_MISTYPED);
	assert_int_equal(json_get_object(o, "o", &member), JSON_FOUND);
	assert_int_equal(json_get_object(o, "a", &member), JSON_MISTYPED);
	assert_int_equal(json_get_array(o, "o", &member), JSON_MISTYPED);
	assert_int_equal(json_get_array(o, "a", &member), JSON_FOUND);
	assert_int_equal(json_array_size(member), 2);
	assert_string_equal(json_array_string(member, 0), "x");
	assert_null(json_array_string(member, 1));
	assert_null(json_array_string(member, 2));
	assert_int_equal(json_array_size(o), 0);
	assert_int_equal(json_get_int(member, "i", &n), JSON_MISTYPED);
	json_free(o);
}

static void
members_and_items_are_found_by_number(void **state)
{
	struct json_object *o = read_text("{\"b\":[1,{},\"x\"],\"a\":2}");
	struct json_object *list;

	(void)state;
	assert_string_equal(json_member_name(o, 0), "b");
	assert_string_equal(json_member_name(o, 1), "a");
	assert_null(json_member_name(o, 2));
	assert_int_equal(json_get_array(o, "b", &list), JSON_FOUND);
	assert_null(json_member_name(list, 0));
	assert_null(json_array_object(list, 0));
	assert_non_null(json_array_object(list, 1));
	assert_null(json_array_object(list, 2));
	assert_null(json_array_object(list, 3));
	json_free(o);
}

static void
falsy_is_what_python_calls_so(void **state)
{
	static const struct {
		const char *text;
		bool falsy;
	} cases[] = {
		{ "null", true },
		{ "false", true },
		{ "true", false },
		{ "0", true },
		{ "-0", true },
		{ "0.0", true },
		{ "0.5", false },
		{ "-1", false },
		{ "\"\"", true },
		{ "\"0\"", false },
		{ "\" \"", false },
		{ "[]", true },
		{ "[0]", false },
		{ "{}", true },
		{ "{\"a\":null}", false },
	};
	struct json_object *o;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		o = read_text(cases[i].text);
		assert_int_equal(json_falsy(o), cases[i].falsy);
		json_free(o);
	}
	o = read_text("{\"a\":0,\"b\":\"x\"}");
	assert_true(json_member_falsy(o, "a"));
	assert_false(json_member_falsy(o, "b"));
	assert_true(json_member_falsy(o, "c"));
	json_free(o);
	assert_true(json_member_falsy(NULL, "a"));
}

static void
writing_puts_the_commas(void **state)
{
	struct buf b = BUF(1000);
	struct json_out j;

	(void)state;
	json_start(&j, &b);
	json_open(&j);
	json_name_text(&j, "a", "x");
	json_name_text(&j, "none", NULL);
	json_name_int(&j, "min", INT64_MIN);
	json_name(&j, "list");
	json_open_array(&j);
	json_open(&j);
	json_close(&j);
	json_bool(&j, true);
	json_null(&j);
	json_open_array(&j);
	json_close_array(&j);
	json_raw(&j, "{\"r\":1}", 7);
	json_close_array(&j);
	json_name_bool(&j, "b", false);
	json_name_null(&j, "n");
	json_name_string(&j, "cut", "xyz", 2);
	json_close(&j);
	assert_true(buf_ok(&b));
	assert_string_equal(b.data,
	    "{\"a\":\"x\",\"none\":null,\"min\":-9223372036854775808,"
	    "\"list\":[{},true,null,[],{\"r\":1}],\"b\":false,\"n\":null,"
	    "\"cut\":\"xy\"}");
	buf_clear(&b);
}

/* Each character, alone and between others, must read back as it was. */
static void
every_character_survives_writing(void **state)
{
	(void)state;
	for (int c = 1; c < 0x80; c++) {
		char text[4] = { 'a', (char)c, 'b', '\0' };
		struct buf b = BUF(100);
		struct json_object *o = NULL;
		struct err e = { 0 };
		struct json_out j;

		json_start(&j, &b);
		json_open_array(&j);
		json_text(&j, text);
		json_text(&j, text + 1);
		json_close_array(&j);
		assert_int_equal(json_read(&o, b.data, b.len, &e), 0);
		assert_string_equal(json_array_string(o, 0), text);
		assert_string_equal(json_array_string(o, 1), text + 1);
		json_free(o);
		buf_clear(&b);
	}
}

static void
slashes_and_foreign_letters_are_not_escaped(void **state)
{
	struct buf b = BUF(100);
	struct json_out j;

	(void)state;
	json_start(&j, &b);
	json_text(&j, "a/\xe2\x80\xa8\x7f\"\\\n\x01");
	assert_string_equal(b.data, "\"a/\xe2\x80\xa8\x7f\\\"\\\\\\n\\u0001\"");
	buf_clear(&b);
}

static void
what_was_read_is_written_again(void **state)
{
	static const char text[] =
	    "{\"a\":[1,-2.50,\"x/y \\\"\\u0001\",null,true],\"b\":{}}";
	struct json_object *read = NULL;
	struct buf b = BUF(1000);
	struct json_out j;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(json_read(&read, text, strlen(text), &e), 0);
	assert_true(json_has(read, "a"));
	assert_false(json_has(read, "c"));
	json_start(&j, &b);
	json_open_array(&j);
	json_value(&j, read);
	json_value(&j, NULL);
	json_close_array(&j);
	assert_true(buf_ok(&b));
	assert_memory_equal(b.data + 1, text, strlen(text));
	assert_string_equal(b.data + 1 + strlen(text), ",null]");
	json_free(read);
	buf_clear(&b);
}

static void
places_are_found_by_their_path(void **state)
{
	struct json_object *o = read_text(
	    "{\"a\":{\"b\":[10,{\"c\":\"x\"},null,2.5,true]},\"\":1}");
	const char *s;
	size_t len;
	double n;
	bool b;

	(void)state;
	assert_ptr_equal(json_at(o, ""), o);
	assert_true(json_as_string(json_at(o, "a.b.1.c"), &s, &len));
	assert_string_equal(s, "x");
	assert_true(json_as_number(json_at(o, "a.b.0"), &n) && n == 10);
	assert_true(json_as_number(json_at(o, "a.b.3"), &n) && n == 2.5);
	assert_true(json_as_bool(json_at(o, "a.b.4"), &b) && b);
	assert_false(json_as_number(json_at(o, "a.b.1.c"), &n));
	assert_false(json_as_string(json_at(o, "a.b.0"), &s, &len));
	assert_false(json_as_bool(NULL, &b));
	assert_null(json_at(o, "a.b.2"));
	assert_null(json_at(o, "a.b.5"));
	assert_null(json_at(o, "a.b.-1"));
	assert_null(json_at(o, "a.b.1x"));
	assert_null(json_at(o, "a.b.c"));
	assert_null(json_at(o, "a..b"));
	assert_null(json_at(o, "a.b.0.d"));
	assert_null(json_at(o, "a.b.99999999999999999999"));
	assert_true(json_is_array(json_at(o, "a.b")));
	assert_true(json_equal(json_at(o, "a.b"), json_at(o, "a.b")));
	assert_false(json_equal(json_at(o, "a.b.0"), json_at(o, "a.b.3")));
	assert_true(json_equal(NULL, NULL));
	json_free(o);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_document_is_built),
		cmocka_unit_test(access_never_converts),
		cmocka_unit_test(members_and_items_are_found_by_number),
		cmocka_unit_test(places_are_found_by_their_path),
		cmocka_unit_test(falsy_is_what_python_calls_so),
		cmocka_unit_test(writing_puts_the_commas),
		cmocka_unit_test(every_character_survives_writing),
		cmocka_unit_test(what_was_read_is_written_again),
		cmocka_unit_test(slashes_and_foreign_letters_are_not_escaped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
