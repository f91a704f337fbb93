noinst_LIBRARIES += libstore.a
libstore_a_SOURCES = \
	src/store/api_token.c \
	src/store/audit.c \
	src/store/cluster.c \
	src/store/events.c \
	src/store/identity.c \
	src/store/live.c \
	src/store/machine.c \
	src/store/poke.c \
	src/store/project.c \
	src/store/queue_claim.c \
	src/store/queue_complete.c \
	src/store/queue_count.c \
	src/store/queue_lease.c \
	src/store/queue_lost.c \
	src/store/queue_ship.c \
	src/store/rate.c \
	src/store/refresh_token.c \
	src/store/remove.c \
	src/store/session.c \
	src/store/state.c \
	src/store/task_cancel.c \
	src/store/task_chat.c \
	src/store/task_events.c \
	src/store/task_read.c \
	src/store/task_start.c \
	src/store/test_user.c \
	src/store/user.c \
	src/store/user_delete.c \
	src/store/events.h \
	src/store/live.h \
	src/store/remove.h
