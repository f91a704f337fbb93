noinst_LIBRARIES += libexec.a
libexec_a_SOURCES = \
	src/exec/blob_scan.c \
	src/exec/blob_scan.h \
	src/exec/changes.c \
	src/exec/changes.h \
	src/exec/changes_texts.c \
	src/exec/e2b_envelope.c \
	src/exec/e2b_envelope.h \
	src/exec/e2b_event.c \
	src/exec/e2b_event.h \
	src/exec/local.c \
	src/exec/local.h \
	src/exec/local_bwrap.c \
	src/exec/local_files.c \
	src/exec/local_plain.c \
	src/exec/local_run.c \
	src/exec/patch.c \
	src/exec/patch.h \
	src/exec/patch_secrets.c \
	src/exec/patch_secrets.h \
	src/exec/pipeline.c \
	src/exec/pipeline.h \
	src/exec/remote.c \
	src/exec/remote.h \
	src/exec/runner.c \
	src/exec/sandbox.c \
	src/exec/sandbox_impl.h \
	src/exec/seccomp.c \
	src/exec/step_agent.c \
	src/exec/step_clone.c \
	src/exec/step_collect.c \
	src/exec/step_publish.c \
	src/exec/words.c \
	src/exec/words.h
