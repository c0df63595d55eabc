# Fuzzing: parsers get what nobody would send. A target fuzz/fuzz_NAME is built from fuzz/fuzz_NAME.c, which defines
# LLVMFuzzerTestOneInput(), and has a kept corpus, fuzz/corpus/NAME/: examples of what is sent, and of every finding the file
# that showed it. `make check` runs the corpus, built by any compiler; `make fuzz` goes on from there.

# Programs, and for each a line with what it links: FUZZ_CORE_LIBS or FUZZ_NET_LIBS.
FUZZ_TARGETS = \
	fuzz/fuzz_http_condition \
	fuzz/fuzz_http_request \
	fuzz/fuzz_http_response \
	fuzz/fuzz_process_frame \
	fuzz/fuzz_url \
	fuzz/fuzz_selftest
fuzz_fuzz_http_condition_LDADD = $(FUZZ_NET_LIBS)
fuzz_fuzz_http_request_SOURCES = fuzz/fuzz_http_request.c fuzz/http.c fuzz/http.h
fuzz_fuzz_http_request_LDADD = $(FUZZ_NET_LIBS)
fuzz_fuzz_http_response_SOURCES = fuzz/fuzz_http_response.c fuzz/http.c fuzz/http.h
fuzz_fuzz_http_response_LDADD = $(FUZZ_NET_LIBS)
fuzz_fuzz_process_frame_LDADD = $(FUZZ_CORE_LIBS)
fuzz_fuzz_url_LDADD = $(FUZZ_NET_LIBS)
fuzz_fuzz_selftest_LDADD = $(FUZZ_CORE_LIBS)

# What calls a target: the driver for the corpus, or clang's fuzzer.
FUZZ_DRIVER = fuzz/libdriver.la
FUZZ_FLAGS =
FUZZ_CORE_LIBS = $(FUZZ_DRIVER) $(FUZZ_FLAGS) libcore.la $(LIBEVENT_LIBS)
FUZZ_NET_LIBS = $(FUZZ_DRIVER) $(FUZZ_FLAGS) libnet.la libcore.la $(EVENT_EXTRA_LIBS) $(LIBEVENT_LIBS)

check_LTLIBRARIES += fuzz/libdriver.la
fuzz_libdriver_la_SOURCES = fuzz/driver.c fuzz/fuzz.h

check_PROGRAMS += $(FUZZ_TARGETS)
TESTS += $(FUZZ_TARGETS)
MEMCHECK_TESTS += $(FUZZ_TARGETS)

EXTRA_DIST += fuzz/corpus fuzz/run.sh

# FUZZ_SECONDS: how long each target runs. What is found stays in variant-fuzz/fuzz-findings/.
FUZZ_SECONDS = 20

PHONY += fuzz fuzz-run
fuzz:
	$(variant) fuzz --enable-debug CC=clang \
		CFLAGS='-g -O1 -fno-omit-frame-pointer -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all'
	cd variant-fuzz && $(MAKE) $(AM_MAKEFLAGS) fuzz-run FUZZ_DRIVER= FUZZ_FLAGS=-fsanitize=fuzzer

fuzz-run: $(FUZZ_TARGETS)
	FUZZ_TARGETS='$(FUZZ_TARGETS)' FUZZ_SECONDS='$(FUZZ_SECONDS)' \
	$(MAKE) $(AM_MAKEFLAGS) check-TESTS TESTS=fuzz/run.sh TEST_SUITE_LOG=fuzz.log check_LTLIBRARIES= check_PROGRAMS=
