/* The files of a patch that need care, by the names in their own headers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "exec/patch.h"

#define A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define INDEX "index " A ".." B " 100644\n"

/* The attributes that a patch's fragile files get. */
static void
expect(const char *patch, size_t len, size_t count, const char *attributes)
{
	struct buf out = BUF(4000);
	struct patch_files f;
	struct err e = { 0 };
	size_t fragile = 0;

	assert_int_equal(patch_read(&f, patch, len, &e), 0);
	for (size_t i = 0; i < f.count; i++) {
		if (!f.list[i].fragile)
			continue;
		fragile++;
		patch_attribute(&out, &f.list[i], false);
	}
	assert_int_equal(fragile, count);
	assert_string_equal(out.len > 0 ? out.data : "", attributes);
	patch_clear(&f);
	buf_clear(&out);
}

#define EXPECT(patch, count, attributes) \
	expect(patch, sizeof(patch) - 1, count, attributes)

static void
test_fragile_files(void **state)
{
	(void)state;
	EXPECT("From x\nSubject: y\r\n\n---\n"
	       "diff --git a/one b/one\n" INDEX "--- a/one\n+++ b/one\n"
	       "@@ -1 +1 @@\n+plain\n"
	       "diff --git \"a/t[*?\\\\\\\"\\n\\303\\274 \" "
	       "\"b/t[*?\\\\\\\"\\n\\303\\274 \"\n" INDEX
	       "--- a\n+++ b\n@@ -1 +1 @@\n+x\r\n+y\r\n"
	       "diff --git a/was b/to b/three\nsimilarity index 50%\n"
	       "rename from was\nrename to to b/three\n" INDEX
	       "@@ -1 +1 @@\n+a\0b\n"
	       "diff --git a/four b/four\nGIT binary patch\nzzz\r\n",
	    2,
	    "\"/t\\\\[\\\\*\\\\?\\\\\\\\\\\"\\012\\303\\274 \" -diff\n"
	    "\"/to b/three\" -diff\n\"/was\" -diff\n");
	EXPECT("", 0, "");
	EXPECT("+a\n", 0, "");
	EXPECT("+a\r\n", 0, "");
}

/* A change of type is one change with two headers, both of one name. */
static void
test_two_headers(void **state)
{
	(void)state;
	EXPECT("diff --git a/x b/x b/x b/x\ndeleted file mode 100644\n" INDEX
	       "@@ -1 +0,0 @@\n-plain\n"
	       "diff --git a/x b/x b/x b/x\nnew file mode 120000\n" INDEX
	       "@@ -0,0 +1 @@\n+z\n"
	       "diff --git a/y b/y\n" INDEX "@@ -1 +1 @@\n+y\r\n",
	    1, "\"/y\" -diff\n");
	EXPECT("diff --git a/x b/x b/x b/x\n" INDEX "@@ -1 +1 @@\n y\r\n", 1,
	    "\"/x b/x\" -diff\n");
}

static void
test_encoded_files(void **state)
{
	static const char patch[] =
	    "diff --git a/bin b/bin\n" INDEX "GIT binary patch\nliteral 0\n"
	    "diff --git a/m b/m\nold mode 100644\nnew mode 100755\n";
	struct buf out = BUF(100);
	struct patch_files f;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(patch_read(&f, patch, sizeof(patch) - 1, &e), 0);
	assert_int_equal(f.count, 1);
	assert_true(f.list[0].encoded && !f.list[0].fragile);
	assert_string_equal(f.list[0].old_id, A);
	assert_string_equal(f.list[0].new_id, B);
	patch_attribute(&out, &f.list[0], true);
	assert_string_equal(out.data, "\"/bin\" diff\n");
	buf_clear(&out);
	patch_clear(&f);
}

/* However it is cut or damaged, it is read or refused. */
static void
test_hostile_patches(void **state)
{
	static const char patch[] =
	    "diff --git \"a/\\1\\\" \"b/q\\\"\n" INDEX "rename from \"\n"
	    "rename to \"\\\"\n@@ -1 +1 @@\n+x\r\n"
	    "diff --git a/ b/\nindex ..\n@@ \n \r\n";
	struct err e = { 0 };

	(void)state;
	for (size_t len = 0; len < sizeof(patch); len++) {
		struct buf out = BUF(1000);
		char *copy = malloc(len + 1);
		struct patch_files f;

		assert_non_null(copy);
		memcpy(copy, patch, len);
		if (patch_read(&f, copy, len, &e) == 0) {
			for (size_t i = 0; i < f.count; i++)
				patch_attribute(&out, &f.list[i], true);
			patch_clear(&f);
		} else {
			assert_int_equal(e.kind, ERR_BROKEN);
		}
		free(copy);
		buf_clear(&out);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fragile_files),
		cmocka_unit_test(test_two_headers),
		cmocka_unit_test(test_encoded_files),
		cmocka_unit_test(test_hostile_patches),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
