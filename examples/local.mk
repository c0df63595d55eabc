# The examples. They use the public headers only, and link the shared library.

EXAMPLE_LIBS = libpromise.la $(LIBEVENT_LIBS)

# --- linkcheck: one job, with callbacks and with promises ----------------------------------------------------------------

LINKCHECK = examples/linkcheck/callback examples/linkcheck/promise
PHONY += demo

if HAVE_LINKCHECK
check_PROGRAMS += $(LINKCHECK) test/linkserver
TESTS += test/linkcheck.sh
MEMCHECK_TESTS += test/linkcheck.sh

# What both versions share.
check_LTLIBRARIES += examples/linkcheck/libshared.la
examples_linkcheck_libshared_la_CPPFLAGS = $(AM_CPPFLAGS) $(LIBEVENT_CFLAGS) $(EVENT_EXTRA_CFLAGS) $(GUMBO_CFLAGS)
examples_linkcheck_libshared_la_LIBADD = $(EVENT_EXTRA_LIBS) $(GUMBO_LIBS) $(LIBEVENT_LIBS)
examples_linkcheck_libshared_la_SOURCES = \
	examples/linkcheck/crawl.c \
	examples/linkcheck/crawl.h \
	examples/linkcheck/links.c \
	examples/linkcheck/links.h \
	examples/linkcheck/options.c \
	examples/linkcheck/options.h \
	examples/linkcheck/report.c \
	examples/linkcheck/report.h \
	examples/linkcheck/server.c \
	examples/linkcheck/server.h \
	examples/linkcheck/site.c \
	examples/linkcheck/site.h \
	examples/linkcheck/url.c \
	examples/linkcheck/url.h

examples_linkcheck_callback_SOURCES = examples/linkcheck/callback.c
examples_linkcheck_callback_CPPFLAGS = $(AM_CPPFLAGS) $(LIBEVENT_CFLAGS) $(EVENT_EXTRA_CFLAGS)
examples_linkcheck_callback_LDADD = examples/linkcheck/libshared.la $(EVENT_EXTRA_LIBS) $(LIBEVENT_LIBS)

examples_linkcheck_promise_SOURCES = examples/linkcheck/promise.c examples/linkcheck/http.c examples/linkcheck/http.h
examples_linkcheck_promise_CPPFLAGS = $(AM_CPPFLAGS) $(LIBEVENT_CFLAGS) $(EVENT_EXTRA_CFLAGS)
examples_linkcheck_promise_LDADD = examples/linkcheck/libshared.la $(EVENT_EXTRA_LIBS) $(EXAMPLE_LIBS)

test_linkserver_CPPFLAGS = $(AM_CPPFLAGS) $(LIBEVENT_CFLAGS)
test_linkserver_LDADD = $(LIBEVENT_LIBS)

demo: $(LINKCHECK)
	@$(SHELL) '$(srcdir)/examples/linkcheck/demo.sh' '$(srcdir)/examples/linkcheck' examples/linkcheck
else
demo:
	@echo "The demo needs libevent_extra and gumbo, which configure has not found. Install them (Debian and Ubuntu:" >&2
	@echo "apt-get install libevent-dev libgumbo-dev) and configure again, or let ./bootstrap demo do both." >&2
	@exit 1
endif

EXTRA_DIST += \
	examples/linkcheck/compare.sh \
	examples/linkcheck/demo.sh \
	examples/linkcheck/site \
	test/linkcheck.expected \
	test/linkcheck.sh
