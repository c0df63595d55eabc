# The examples. They use the public headers only, and link the shared libraries.

EXAMPLE_LIBS = libpromise.la libpromise-core.la $(EVENT_EXTRA_LIBS) $(LIBEVENT_LIBS)
TLS_EXAMPLE_LIBS = libpromise-tls.la $(EXAMPLE_LIBS)

# --- linkcheck: one job, with callbacks, promises and async/await ----------------------------------------------------------------

LINKCHECK = examples/linkcheck/callback examples/linkcheck/promise examples/linkcheck/await
PHONY += demo

if HAVE_LINKCHECK
check_PROGRAMS += $(LINKCHECK) test/linkserver
TESTS += test/linkcheck.sh
MEMCHECK_TESTS += test/linkcheck.sh

# What all versions share.
check_LTLIBRARIES += examples/linkcheck/libshared.la
examples_linkcheck_libshared_la_CPPFLAGS = $(AM_CPPFLAGS) $(GUMBO_CFLAGS)
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

examples_linkcheck_callback_SOURCES = \
	examples/linkcheck/callback.c \
	examples/linkcheck/evhttp.c \
	examples/linkcheck/evhttp.h
examples_linkcheck_callback_LDADD = examples/linkcheck/libshared.la $(EVENT_EXTRA_LIBS) $(LIBEVENT_LIBS)

# https needs libpromise-tls.
examples_linkcheck_promise_SOURCES = examples/linkcheck/promise.c $(CHECK_ON_LIBPROMISE)
examples_linkcheck_await_SOURCES = examples/linkcheck/await.c $(CHECK_ON_LIBPROMISE)
CHECK_ON_LIBPROMISE = examples/linkcheck/check.c examples/linkcheck/check.h
if HAVE_TLS
examples_linkcheck_promise_CPPFLAGS = $(AM_CPPFLAGS) -DHAVE_TLS
examples_linkcheck_promise_LDADD = examples/linkcheck/libshared.la $(TLS_EXAMPLE_LIBS) $(TLS_LIBS)
examples_linkcheck_await_CPPFLAGS = $(AM_CPPFLAGS) -DHAVE_TLS
examples_linkcheck_await_LDADD = examples/linkcheck/libshared.la $(TLS_EXAMPLE_LIBS) $(TLS_LIBS)
else
examples_linkcheck_promise_LDADD = examples/linkcheck/libshared.la $(EXAMPLE_LIBS)
examples_linkcheck_await_LDADD = examples/linkcheck/libshared.la $(EXAMPLE_LIBS)
endif

test_linkserver_LDADD = $(LIBEVENT_LIBS)

demo: $(LINKCHECK)
	@$(SHELL) '$(srcdir)/examples/linkcheck/demo.sh' '$(srcdir)/examples/linkcheck' examples/linkcheck
else
demo:
	@echo "The demo needs gumbo, which configure has not found. Install it (Debian and Ubuntu:" >&2
	@echo "apt-get install libgumbo-dev) and configure again, or let ./bootstrap demo do both." >&2
	@exit 1
endif

EXTRA_DIST += \
	examples/linkcheck/compare.sh \
	examples/linkcheck/demo.sh \
	examples/linkcheck/site \
	test/linkcheck.expected \
	test/linkcheck.sh

# --- ask: the three in the README -----------------------------------------------------------------------------------------

check_PROGRAMS += examples/ask/callback examples/ask/promise examples/ask/await
TESTS += test/ask.sh
MEMCHECK_TESTS += test/ask.sh

ASK = examples/ask/ask.c examples/ask/ask.h examples/ask/server.c examples/ask/server.h

examples_ask_callback_SOURCES = examples/ask/callback.c $(ASK)
examples_ask_callback_LDADD = $(LIBEVENT_LIBS)

examples_ask_promise_SOURCES = examples/ask/promise.c examples/ask/asked.c examples/ask/asked.h $(ASK)
examples_ask_promise_LDADD = $(EXAMPLE_LIBS)

examples_ask_await_SOURCES = examples/ask/await.c examples/ask/asked.c examples/ask/asked.h $(ASK)
examples_ask_await_LDADD = $(EXAMPLE_LIBS)

EXTRA_DIST += test/ask.expected test/ask.sh

# --- fileserver: HTTP(S) -------------------------------------------------------------------------------------------------

check_PROGRAMS += examples/fileserver/fileserver
TESTS += test/fileserver.sh
MEMCHECK_TESTS += test/fileserver.sh

if HAVE_TLS
examples_fileserver_fileserver_CPPFLAGS = $(AM_CPPFLAGS) -DHAVE_TLS
examples_fileserver_fileserver_LDADD = $(TLS_EXAMPLE_LIBS)
else
examples_fileserver_fileserver_LDADD = $(EXAMPLE_LIBS)
endif

EXTRA_DIST += examples/fileserver/README.md test/fileserver.sh

# --- proxy: TCP ----------------------------------------------------------------------------------------------------------

check_PROGRAMS += examples/proxy/proxy
TESTS += test/proxy.sh
MEMCHECK_TESTS += test/proxy.sh

examples_proxy_proxy_LDADD = $(EXAMPLE_LIBS)

EXTRA_DIST += examples/proxy/README.md test/proxy.sh

# --- runner: many commands, some at a time ------------------------------------------------------------------------------

check_PROGRAMS += examples/runner/runner
TESTS += test/runner.sh
# Not under valgrind, which would follow it into the programs that it runs, and report what those leak.
examples_runner_runner_LDADD = $(EXAMPLE_LIBS)
EXTRA_DIST += examples/runner/README.md test/runner.sh

# --- ways: the same job in every form -----------------------------------------------------------------------------------

PHONY += ways
if HAVE_WAYS
WAYS = \
	examples/ways/server \
	examples/ways/hash/serial \
	examples/ways/hash/callback \
	examples/ways/hash/promise \
	examples/ways/hash/await \
	examples/ways/hash/channel \
	examples/ways/hash/threads \
	examples/ways/hash/processes \
	examples/ways/fetch/serial \
	examples/ways/fetch/callback \
	examples/ways/fetch/promise \
	examples/ways/fetch/await \
	examples/ways/fetch/channel \
	examples/ways/fetch/threads \
	examples/ways/fetch/processes
check_PROGRAMS += $(WAYS)
TESTS += test/ways.sh

check_LTLIBRARIES += examples/ways/libways.la
examples_ways_libways_la_CPPFLAGS = $(AM_CPPFLAGS) $(CURL_CFLAGS) $(CRYPTO_CFLAGS)
examples_ways_libways_la_LIBADD = $(EXAMPLE_LIBS) $(CURL_LIBS) $(CRYPTO_LIBS)
examples_ways_libways_la_SOURCES = \
	examples/ways/pages.c \
	examples/ways/pages.h \
	examples/ways/trace.c \
	examples/ways/trace.h \
	examples/ways/tree.c \
	examples/ways/tree.h \
	examples/ways/ways.c \
	examples/ways/ways.h

WAYS_LIBS = examples/ways/libways.la $(EXAMPLE_LIBS)
examples_ways_server_LDADD = $(EXAMPLE_LIBS)
examples_ways_hash_serial_LDADD = $(WAYS_LIBS)
examples_ways_hash_callback_LDADD = $(WAYS_LIBS)
examples_ways_hash_promise_LDADD = $(WAYS_LIBS)
examples_ways_hash_await_LDADD = $(WAYS_LIBS)
examples_ways_hash_channel_LDADD = $(WAYS_LIBS)
examples_ways_hash_threads_LDADD = $(WAYS_LIBS)
examples_ways_hash_processes_LDADD = $(WAYS_LIBS)
examples_ways_fetch_serial_LDADD = $(WAYS_LIBS)
examples_ways_fetch_callback_LDADD = $(WAYS_LIBS)
examples_ways_fetch_promise_LDADD = $(WAYS_LIBS)
examples_ways_fetch_await_LDADD = $(WAYS_LIBS)
examples_ways_fetch_channel_LDADD = $(WAYS_LIBS)
examples_ways_fetch_threads_LDADD = $(WAYS_LIBS)
examples_ways_fetch_processes_LDADD = $(WAYS_LIBS)

# TREE: the folder whose files are hashed; PAGES: how many are fetched; ROUNDS: how often; SVG: where the pictures go.
TREE = /usr/bin
PAGES = 64
ROUNDS = 5
SVG = .
ways: $(WAYS)
	@$(PYTHON3) '$(srcdir)/examples/ways/ways.py' --rounds $(ROUNDS) --tree '$(TREE)' --pages $(PAGES) --svg '$(SVG)' \
		'$(srcdir)/examples/ways' examples/ways
else
ways:
	@echo "The ways need libcurl and libcrypto, which configure has not found. Install them (Debian and Ubuntu:" >&2
	@echo "apt-get install libcurl4-openssl-dev libssl-dev) and configure again, or let ./bootstrap ways do all." >&2
	@exit 1
endif
EXTRA_DIST += examples/ways/ways.py test/ways.sh

# --- tour: what the pages in docs/ show ----------------------------------------------------------------------------------

check_PROGRAMS += \
	examples/tour/address \
	examples/tour/channel \
	examples/tour/child \
	examples/tour/combine \
	examples/tour/connect \
	examples/tour/connect_name \
	examples/tour/coroutine \
	examples/tour/datagram \
	examples/tour/directory \
	examples/tour/dns \
	examples/tour/error \
	examples/tour/executor \
	examples/tour/fd \
	examples/tour/file \
	examples/tour/function \
	examples/tour/generator \
	examples/tour/getaddrinfo \
	examples/tour/group \
	examples/tour/hello \
	examples/tour/host \
	examples/tour/http_client \
	examples/tour/http_server \
	examples/tour/iterator \
	examples/tour/listener \
	examples/tour/locks \
	examples/tour/loop \
	examples/tour/loops \
	examples/tour/memory \
	examples/tour/pool \
	examples/tour/process_pool \
	examples/tour/promise \
	examples/tour/remote \
	examples/tour/shared_channel \
	examples/tour/signal \
	examples/tour/source \
	examples/tour/stream \
	examples/tour/timer \
	examples/tour/value \
	examples/tour/work
if HAVE_TLS
check_PROGRAMS += examples/tour/tls
endif
TESTS += test/tour.sh
MEMCHECK_TESTS += test/tour.sh

TOUR = examples/tour/tour.c examples/tour/tour.h

examples_tour_address_LDADD = $(EXAMPLE_LIBS)
examples_tour_channel_SOURCES = examples/tour/channel.c $(TOUR)
examples_tour_channel_LDADD = $(EXAMPLE_LIBS)
examples_tour_child_SOURCES = examples/tour/child.c $(TOUR)
examples_tour_child_LDADD = $(EXAMPLE_LIBS)
examples_tour_combine_SOURCES = examples/tour/combine.c $(TOUR)
examples_tour_combine_LDADD = $(EXAMPLE_LIBS)
examples_tour_connect_SOURCES = examples/tour/connect.c $(TOUR)
examples_tour_connect_LDADD = $(EXAMPLE_LIBS)
examples_tour_coroutine_SOURCES = examples/tour/coroutine.c $(TOUR)
examples_tour_coroutine_LDADD = $(EXAMPLE_LIBS)
examples_tour_datagram_SOURCES = examples/tour/datagram.c $(TOUR)
examples_tour_datagram_LDADD = $(EXAMPLE_LIBS)
examples_tour_connect_name_SOURCES = examples/tour/connect_name.c $(TOUR)
examples_tour_connect_name_LDADD = $(EXAMPLE_LIBS)
examples_tour_directory_SOURCES = examples/tour/directory.c $(TOUR)
examples_tour_directory_LDADD = $(EXAMPLE_LIBS)
examples_tour_dns_SOURCES = examples/tour/dns.c $(TOUR)
examples_tour_dns_LDADD = $(EXAMPLE_LIBS)
examples_tour_error_SOURCES = examples/tour/error.c $(TOUR)
examples_tour_error_LDADD = $(EXAMPLE_LIBS)
examples_tour_fd_SOURCES = examples/tour/fd.c $(TOUR)
examples_tour_fd_LDADD = $(EXAMPLE_LIBS)
examples_tour_file_SOURCES = examples/tour/file.c $(TOUR)
examples_tour_file_LDADD = $(EXAMPLE_LIBS)
examples_tour_generator_SOURCES = examples/tour/generator.c $(TOUR)
examples_tour_generator_LDADD = $(EXAMPLE_LIBS)
examples_tour_group_SOURCES = examples/tour/group.c $(TOUR)
examples_tour_group_LDADD = $(EXAMPLE_LIBS)
examples_tour_executor_SOURCES = examples/tour/executor.c $(TOUR)
examples_tour_executor_LDADD = $(EXAMPLE_LIBS)
examples_tour_function_SOURCES = examples/tour/function.c $(TOUR)
examples_tour_function_LDADD = $(EXAMPLE_LIBS)
examples_tour_pool_SOURCES = examples/tour/pool.c $(TOUR)
examples_tour_pool_LDADD = $(EXAMPLE_LIBS)
examples_tour_process_pool_SOURCES = examples/tour/process_pool.c $(TOUR)
examples_tour_process_pool_LDADD = $(EXAMPLE_LIBS)
examples_tour_hello_LDADD = $(EXAMPLE_LIBS)
examples_tour_getaddrinfo_SOURCES = examples/tour/getaddrinfo.c $(TOUR)
examples_tour_getaddrinfo_LDADD = $(EXAMPLE_LIBS)
examples_tour_host_LDADD = $(EXAMPLE_LIBS)
examples_tour_http_client_SOURCES = examples/tour/http_client.c $(TOUR)
examples_tour_http_client_LDADD = $(EXAMPLE_LIBS)
examples_tour_http_server_SOURCES = examples/tour/http_server.c $(TOUR)
examples_tour_http_server_LDADD = $(EXAMPLE_LIBS)
examples_tour_iterator_SOURCES = examples/tour/iterator.c $(TOUR)
examples_tour_iterator_LDADD = $(EXAMPLE_LIBS)
examples_tour_listener_SOURCES = examples/tour/listener.c $(TOUR)
examples_tour_listener_LDADD = $(EXAMPLE_LIBS)
examples_tour_locks_SOURCES = examples/tour/locks.c $(TOUR)
examples_tour_locks_LDADD = $(EXAMPLE_LIBS)
examples_tour_loop_LDADD = $(EXAMPLE_LIBS)
examples_tour_loops_SOURCES = examples/tour/loops.c $(TOUR)
examples_tour_loops_LDADD = $(EXAMPLE_LIBS)
examples_tour_memory_LDADD = $(EXAMPLE_LIBS)
examples_tour_promise_SOURCES = examples/tour/promise.c $(TOUR)
examples_tour_promise_LDADD = $(EXAMPLE_LIBS)
examples_tour_remote_SOURCES = examples/tour/remote.c $(TOUR)
examples_tour_remote_LDADD = $(EXAMPLE_LIBS)
examples_tour_shared_channel_SOURCES = examples/tour/shared_channel.c $(TOUR)
examples_tour_shared_channel_LDADD = $(EXAMPLE_LIBS)
examples_tour_signal_SOURCES = examples/tour/signal.c $(TOUR)
examples_tour_signal_LDADD = $(EXAMPLE_LIBS)
examples_tour_source_SOURCES = examples/tour/source.c $(TOUR)
examples_tour_source_CPPFLAGS = $(AM_CPPFLAGS) $(LIBEVENT_CFLAGS)
examples_tour_source_LDADD = $(EXAMPLE_LIBS)
examples_tour_stream_SOURCES = examples/tour/stream.c $(TOUR)
examples_tour_stream_LDADD = $(EXAMPLE_LIBS)
examples_tour_timer_SOURCES = examples/tour/timer.c $(TOUR)
examples_tour_timer_LDADD = $(EXAMPLE_LIBS)
examples_tour_tls_CPPFLAGS = $(AM_CPPFLAGS) $(TLS_CFLAGS)
examples_tour_tls_SOURCES = examples/tour/tls.c $(TOUR)
examples_tour_tls_LDADD = $(TLS_EXAMPLE_LIBS) $(TLS_LIBS)
examples_tour_value_SOURCES = examples/tour/value.c $(TOUR)
examples_tour_value_LDADD = $(EXAMPLE_LIBS)
examples_tour_work_SOURCES = examples/tour/work.c $(TOUR)
examples_tour_work_LDADD = $(EXAMPLE_LIBS)

EXTRA_DIST += \
	examples/tour/address.expected \
	examples/tour/channel.expected \
	examples/tour/child.expected \
	examples/tour/combine.expected \
	examples/tour/connect.expected \
	examples/tour/connect_name.expected \
	examples/tour/coroutine.expected \
	examples/tour/datagram.expected \
	examples/tour/directory.expected \
	examples/tour/dns.expected \
	examples/tour/error.expected \
	examples/tour/executor.expected \
	examples/tour/fd.expected \
	examples/tour/file.expected \
	examples/tour/function.expected \
	examples/tour/generator.expected \
	examples/tour/getaddrinfo.expected \
	examples/tour/group.expected \
	examples/tour/hello.expected \
	examples/tour/host.expected \
	examples/tour/http_client.expected \
	examples/tour/http_server.expected \
	examples/tour/iterator.expected \
	examples/tour/listener.expected \
	examples/tour/locks.expected \
	examples/tour/loop.expected \
	examples/tour/loops.expected \
	examples/tour/memory.expected \
	examples/tour/pool.expected \
	examples/tour/process_pool.expected \
	examples/tour/promise.expected \
	examples/tour/remote.expected \
	examples/tour/shared_channel.expected \
	examples/tour/signal.expected \
	examples/tour/source.expected \
	examples/tour/stream.expected \
	examples/tour/timer.expected \
	examples/tour/tls.expected \
	examples/tour/value.expected \
	examples/tour/work.expected \
	test/tour.sh
