# libFuzzer targets, built by "make fuzzers" after configure --enable-fuzzers
# CC=clang, and run by script/fuzz. A new one is a fuzz_NAME.c here, its name
# in FUZZ_TARGETS, two lines below, and a seed corpus in corpus/fuzz_NAME/.
FUZZ_TARGETS = fuzz_agent_output fuzz_agent_rules fuzz_e2b fuzz_envelope fuzz_github fuzz_import fuzz_json fuzz_jwks fuzz_jwt fuzz_path fuzz_redact fuzz_spool fuzz_url
FUZZ_LINK = $(AM_LDFLAGS) -fsanitize=fuzzer

if FUZZERS
EXTRA_PROGRAMS += $(FUZZ_TARGETS)

fuzz_agent_output_SOURCES = tests/fuzz/fuzz_agent_output.c
fuzz_agent_output_CPPFLAGS = $(AM_CPPFLAGS) -DFUZZ_SHARE='"$(abs_top_srcdir)/share"'
fuzz_agent_output_LDFLAGS = $(FUZZ_LINK)
fuzz_agent_output_LDADD = libagents.a libutil.a $(SYSTEM_LIBS)

fuzz_agent_rules_SOURCES = tests/fuzz/fuzz_agent_rules.c
fuzz_agent_rules_LDFLAGS = $(FUZZ_LINK)
fuzz_agent_rules_LDADD = libagents.a libutil.a $(SYSTEM_LIBS)

fuzz_e2b_SOURCES = tests/fuzz/fuzz_e2b.c
fuzz_e2b_LDFLAGS = $(FUZZ_LINK)
fuzz_e2b_LDADD = libexec.a libutil.a $(SYSTEM_LIBS)

fuzz_envelope_SOURCES = tests/fuzz/fuzz_envelope.c
fuzz_envelope_LDFLAGS = $(FUZZ_LINK)
fuzz_envelope_LDADD = libexec.a libutil.a $(SYSTEM_LIBS)

fuzz_github_SOURCES = tests/fuzz/fuzz_github.c
fuzz_github_LDFLAGS = $(FUZZ_LINK)
fuzz_github_LDADD = libgithub.a librepo.a libutil.a $(SYSTEM_LIBS)

fuzz_import_SOURCES = tests/fuzz/fuzz_import.c
fuzz_import_LDFLAGS = $(FUZZ_LINK)
fuzz_import_LDADD = libutil.a $(SYSTEM_LIBS)

fuzz_json_SOURCES = tests/fuzz/fuzz_json.c
fuzz_json_LDFLAGS = $(FUZZ_LINK)
fuzz_json_LDADD = libutil.a $(SYSTEM_LIBS)

fuzz_jwks_SOURCES = tests/fuzz/fuzz_jwks.c
fuzz_jwks_LDFLAGS = $(FUZZ_LINK)
fuzz_jwks_LDADD = libauth.a libutil.a $(SYSTEM_LIBS)

fuzz_jwt_SOURCES = tests/fuzz/fuzz_jwt.c
fuzz_jwt_LDFLAGS = $(FUZZ_LINK)
fuzz_jwt_LDADD = libauth.a libutil.a $(SYSTEM_LIBS)

fuzz_path_SOURCES = tests/fuzz/fuzz_path.c
fuzz_path_LDFLAGS = $(FUZZ_LINK)
fuzz_path_LDADD = libhttp.a libutil.a $(SYSTEM_LIBS)

fuzz_redact_SOURCES = tests/fuzz/fuzz_redact.c
fuzz_redact_LDFLAGS = $(FUZZ_LINK)
fuzz_redact_LDADD = libutil.a $(SYSTEM_LIBS)

fuzz_spool_SOURCES = tests/fuzz/fuzz_spool.c
fuzz_spool_LDFLAGS = $(FUZZ_LINK)
fuzz_spool_LDADD = libspool.a libutil.a $(SYSTEM_LIBS)

fuzz_url_SOURCES = tests/fuzz/fuzz_url.c
fuzz_url_LDFLAGS = $(FUZZ_LINK)
fuzz_url_LDADD = librepo.a libutil.a $(SYSTEM_LIBS)

# For script/fuzz; Makefile.am has the rule that builds them all.
fuzz-list:
	@printf '%s\n' $(FUZZ_TARGETS)
CLEANFILES += $(FUZZ_TARGETS)
endif
EXTRA_DIST += tests/fuzz/corpus
