#include "cmd/check_report.h"

#include <stdio.h>

#include "util/json.h"

#define REPORT_MAX ((size_t)256 * 1024)

static const char *const verdict_names[] = {
	[CHECK_OK] = "ok",
	[CHECK_WARN] = "warn",
	[CHECK_FAIL] = "fail",
};

static void
print_text(const struct config *cfg, const struct finding *found, size_t n)
{
	struct buf b = BUF(REPORT_MAX);

	config_print_text(cfg, &b);
	if (buf_ok(&b) && b.len > 0)
		(void)printf("%s\n", b.data);
	buf_clear(&b);
	for (size_t i = 0; i < n; i++)
		(void)printf("%-4s  %-13s  %s\n",
		    verdict_names[found[i].verdict], found[i].name,
		    found[i].detail);
}

static void
put_finding(struct json_out *j, const struct finding *f)
{
	json_name(j, f->name);
	json_open(j);
	json_name_text(j, "verdict", verdict_names[f->verdict]);
	json_name_text(j, "detail", f->detail);
	json_close(j);
}

static void
print_json(const struct config *cfg, const struct finding *found, size_t n,
    bool well)
{
	struct buf b = BUF(REPORT_MAX);
	struct json_out j;

	json_start(&j, &b);
	json_open(&j);
	json_name_bool(&j, "ok", well);
	json_name_text(&j, "mode", config_mode(cfg));
	json_name_text(&j, "config_file", cfg->file);
	json_name(&j, "checks");
	json_open(&j);
	for (size_t i = 0; i < n; i++)
		put_finding(&j, &found[i]);
	json_close(&j);
	json_name(&j, "settings");
	config_print_json(cfg, &j);
	json_close(&j);
	if (buf_ok(&b))
		(void)puts(b.data);
	buf_clear(&b);
}

bool
check_report(const struct config *cfg, const struct finding *found, size_t n,
    bool json)
{
	bool well = true;

	for (size_t i = 0; i < n; i++)
		if (found[i].verdict == CHECK_FAIL)
			well = false;
	if (json)
		print_json(cfg, found, n, well);
	else
		print_text(cfg, found, n);
	return well;
}
