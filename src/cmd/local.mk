noinst_LIBRARIES += libcmd.a
libcmd_a_SOURCES = \
	src/cmd/admin.c \
	src/cmd/api.c \
	src/cmd/api_worker.c \
	src/cmd/api_worker.h \
	src/cmd/audit.c \
	src/cmd/check.c \
	src/cmd/check_report.c \
	src/cmd/check_report.h \
	src/cmd/client.c \
	src/cmd/cloud_config.c \
	src/cmd/cloud_config.h \
	src/cmd/fault_points.c \
	src/cmd/import.c \
	src/cmd/import_chat.c \
	src/cmd/import_check.c \
	src/cmd/import_check.h \
	src/cmd/import_file.c \
	src/cmd/import_file.h \
	src/cmd/janitor.c \
	src/cmd/jwks.c \
	src/cmd/keygen.c \
	src/cmd/migrate.c \
	src/cmd/options.c \
	src/cmd/options.h \
	src/cmd/orphans.c \
	src/cmd/orphans.h \
	src/cmd/reaper.c \
	src/cmd/run.c \
	src/cmd/sandbox.c \
	src/cmd/secret_input.c \
	src/cmd/serve.c \
	src/cmd/spawner.c \
	src/cmd/task.c \
	src/cmd/task_follow.c \
	src/cmd/token.c \
	src/cmd/user.c
