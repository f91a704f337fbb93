noinst_LIBRARIES += libapi.a
libapi_a_SOURCES = \
	src/api/answer.c \
	src/api/answer.h \
	src/api/account.h \
	src/api/address.c \
	src/api/auth_v1.c \
	src/api/cookie.c \
	src/api/cors.c \
	src/api/cors.h \
	src/api/issue.c \
	src/api/limits.c \
	src/api/limits.h \
	src/api/note.c \
	src/api/password_proof.c \
	src/api/proof.c \
	src/api/provider.c \
	src/api/provider.h \
	src/api/test_users.c \
	src/api/tries.c \
	src/api/tries.h \
	src/api/who.c \
	src/api/who.h \
	src/api/api.c \
	src/api/body.c \
	src/api/body.h \
	src/api/call.h \
	src/api/events.c \
	src/api/chat.c \
	src/api/health.c \
	src/api/outbound.c \
	src/api/outbound.h \
	src/api/project_input.c \
	src/api/project_input.h \
	src/api/projects.c \
	src/api/pull.c \
	src/api/pull.h \
	src/api/pull_failure.c \
	src/api/pull_failure.h \
	src/api/pull_refuse.c \
	src/api/pull_text.c \
	src/api/pull_text.h \
	src/api/rest.c \
	src/api/rest_query.c \
	src/api/rest_query.h \
	src/api/routes.c \
	src/api/routes.h \
	src/api/sealing.c \
	src/api/sealing.h \
	src/api/seat.c \
	src/api/seat.h \
	src/api/sessions.c \
	src/api/start_input.c \
	src/api/start_input.h \
	src/api/status.c \
	src/api/task_read.c \
	src/api/task_row.c \
	src/api/task_row.h \
	src/api/tasks.c \
	src/api/validate.c

openapidir = $(pkgdatadir)
dist_openapi_DATA = share/openapi.json
