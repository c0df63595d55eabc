# The tests. `make check` runs them all; every one of them prints TAP.

# Check programs: test/test_NAME is built from test/test_NAME.c. They see the library's internal names.
CHECK_TESTS = \
	test/test_address \
	test/test_barrier \
	test/test_call \
	test/test_cancel \
	test/test_cancel_chain \
	test/test_cancel_inside \
	test/test_channel \
	test/test_channel_model \
	test/test_channel_oom \
	test/test_channel_random \
	test/test_channel_tasks \
	test/test_channel_unseen \
	test/test_child \
	test/test_child_command \
	test/test_child_fault \
	test/test_child_stop \
	test/test_cleanup \
	test/test_clock \
	test/test_combine \
	test/test_combine_cancel \
	test/test_condition \
	test/test_connect \
	test/test_connect_name \
	test/test_connect_name_end \
	test/test_context \
	test/test_context_ucontext \
	test/test_coroutine \
	test/test_coroutine_cancel \
	test/test_coroutine_loop \
	test/test_coroutine_threads \
	test/test_datagram \
	test/test_datagram_end \
	test/test_deep \
	test/test_directory \
	test/test_dns \
	test/test_dns_end \
	test/test_dns_system \
	test/test_error \
	test/test_executor \
	test/test_faults \
	test/test_fd \
	test/test_fd_object \
	test/test_function \
	test/test_generator \
	test/test_getaddrinfo \
	test/test_group \
	test/test_file \
	test/test_file_end \
	test/test_file_open \
	test/test_held \
	test/test_host \
	test/test_http_body \
	test/test_http_client \
	test/test_http_faults \
	test/test_http_message \
	test/test_http_oom \
	test/test_http_parse \
	test/test_http_pool \
	test/test_http_redirect \
	test/test_http_server \
	test/test_http_server_faults \
	test/test_http_server_oom \
	test/test_http_static \
	test/test_http_url \
	test/test_iterator \
	test/test_iterator_close \
	test/test_list \
	test/test_listener \
	test/test_listener_end \
	test/test_listener_fault \
	test/test_listener_made \
	test/test_loop \
	test/test_loop_base \
	test/test_loop_free \
	test/test_loop_refused \
	test/test_loops \
	test/test_loops_end \
	test/test_loops_fault \
	test/test_loops_random \
	test/test_mailbox \
	test/test_memory \
	test/test_mutex \
	test/test_name \
	test/test_oom \
	test/test_pool \
	test/test_pool_threads \
	test/test_process_end \
	test/test_process_fault \
	test/test_process_pool \
	test/test_process_stress \
	test/test_programs \
	test/test_promise \
	test/test_random \
	test/test_remote \
	test/test_repeat \
	test/test_resolve \
	test/test_retry \
	test/test_rwlock \
	test/test_select \
	test/test_semaphore \
	test/test_shared_channel \
	test/test_shared_random \
	test/test_shared_threads \
	test/test_signal \
	test/test_slab \
	test/test_source \
	test/test_stack \
	test/test_stack_overflow \
	test/test_stream \
	test/test_stream_close \
	test/test_stream_copy \
	test/test_stream_fault \
	test/test_stream_read \
	test/test_stream_write \
	test/test_teardown \
	test/test_ticks \
	test/test_timer \
	test/test_timerqueue \
	test/test_turn \
	test/test_unhandled \
	test/test_value \
	test/test_wait_group \
	test/test_walk \
	test/test_walk_cancel \
	test/test_work

# Those that need libpromise-tls.
TLS_CHECK_TESTS = \
	test/test_faults_tls \
	test/test_tls \
	test/test_tls_cancel \
	test/test_tls_connect \
	test/test_tls_faults \
	test/test_tls_memory \
	test/test_tls_openssl \
	test/test_tls_traps
if HAVE_TLS
CHECK_TESTS += $(TLS_CHECK_TESTS)
endif

# Those of them that cross threads: `make check-tsan` runs them under the thread sanitizer.
THREAD_TESTS = \
	test/test_call \
	test/test_context \
	test/test_context_ucontext \
	test/test_coroutine_threads \
	test/test_directory \
	test/test_dns_system \
	test/test_executor \
	test/test_file \
	test/test_file_end \
	test/test_file_open \
	test/test_getaddrinfo \
	test/test_loops \
	test/test_loops_end \
	test/test_loops_fault \
	test/test_loops_random \
	test/test_mailbox \
	test/test_pool_threads \
	test/test_remote \
	test/test_shared_channel \
	test/test_shared_random \
	test/test_shared_threads \
	test/test_stack \
	test/test_work

# Scripts about the tree rather than about one build of it: the variant builds below leave out most.
TREE_TESTS = \
	test/backtrace.sh \
	test/context_aarch64.sh \
	test/docs.sh \
	test/faults.sh \
	test/headers.sh \
	test/symbols.sh \
	test/install/run.sh

# What the Check programs share.
check_LTLIBRARIES += test/libsupport.la
test_libsupport_la_SOURCES = \
	test/blocking.c test/blocking.h \
	test/children.c test/children.h \
	test/evloop.c test/evloop.h \
	test/fakehost.c test/fakehost.h \
	test/hosted.c test/hosted.h \
	test/listening.c test/listening.h \
	test/net.c test/net.h \
	test/streaming.c test/streaming.h \
	test/support.c test/support.h \
	test/trace.c test/trace.h \
	test/working.c test/working.h

# What those of the HTTP client share.
check_LTLIBRARIES += test/libhttppeer.la
test_libhttppeer_la_SOURCES = test/httppeer.c test/httppeer.h

# A server, and clients that say what the test wants.
check_LTLIBRARIES += test/libpeer.la
test_libpeer_la_SOURCES = test/peer.c test/peer.h

# What they link: all of them what tests of src/ need; those of src/net and src/tls name theirs in a line of their own.
CORE_TEST_LIBS = test/libsupport.la libcore.la $(CHECK_LIBS) $(LIBEVENT_LIBS)
NET_TEST_LIBS = test/libsupport.la libnet.la libcore.la $(CHECK_LIBS) $(EVENT_EXTRA_LIBS) $(LIBEVENT_LIBS)
HTTP_TEST_LIBS = test/libhttppeer.la $(NET_TEST_LIBS)
SERVER_TEST_LIBS = test/libpeer.la $(NET_TEST_LIBS)
TLS_TEST_LIBS = test/libsupport.la libtls.la libnet.la libcore.la $(CHECK_LIBS) $(TLS_LIBS) $(EVENT_EXTRA_LIBS) $(LIBEVENT_LIBS)
LDADD = $(CORE_TEST_LIBS)
test_test_http_body_LDADD = $(NET_TEST_LIBS)
test_test_http_client_LDADD = $(HTTP_TEST_LIBS)
test_test_http_faults_LDADD = $(HTTP_TEST_LIBS)
test_test_http_message_LDADD = $(NET_TEST_LIBS)
test_test_http_oom_LDADD = $(HTTP_TEST_LIBS)
test_test_http_parse_LDADD = $(NET_TEST_LIBS)
test_test_http_pool_LDADD = $(HTTP_TEST_LIBS)
test_test_http_redirect_LDADD = $(HTTP_TEST_LIBS)
test_test_http_server_LDADD = $(SERVER_TEST_LIBS)
test_test_http_server_faults_LDADD = $(SERVER_TEST_LIBS)
test_test_http_server_oom_LDADD = $(SERVER_TEST_LIBS)
test_test_http_static_LDADD = $(SERVER_TEST_LIBS)
test_test_http_url_LDADD = $(NET_TEST_LIBS)

# Both ways to switch stacks are tested, whichever is in use.
SWITCHING = test/switching.c test/switching.h
test_test_context_SOURCES = test/test_context.c $(SWITCHING)
test_test_context_ucontext_CPPFLAGS = $(AM_CPPFLAGS) -UPROMISE_CONTEXT_ASM
test_test_context_ucontext_SOURCES = test/test_context.c $(SWITCHING) src/tasks/context_ucontext.c

# What those of files share.
FILING = test/filing.c test/filing.h
test_test_directory_SOURCES = test/test_directory.c $(FILING)
test_test_file_SOURCES = test/test_file.c $(FILING)
test_test_file_end_SOURCES = test/test_file_end.c $(FILING)
test_test_file_open_SOURCES = test/test_file_open.c $(FILING)

LOOPING = test/looping.c test/looping.h
test_test_loops_SOURCES = test/test_loops.c $(LOOPING)
test_test_loops_end_SOURCES = test/test_loops_end.c $(LOOPING)
test_test_loops_fault_SOURCES = test/test_loops_fault.c $(LOOPING)

POOLING = test/pooling.c test/pooling.h
test_test_pool_SOURCES = test/test_pool.c $(POOLING)
test_test_work_SOURCES = test/test_work.c $(POOLING)

SHARING = test/sharing.c test/sharing.h
test_test_shared_channel_SOURCES = test/test_shared_channel.c $(SHARING)
test_test_shared_threads_SOURCES = test/test_shared_threads.c $(SHARING)

FAULTS = test/faults.c test/faults.h
test_test_faults_SOURCES = test/test_faults.c $(FAULTS) test/nameserver.c test/nameserver.h
test_test_faults_LDADD = $(NET_TEST_LIBS)

DNS_SUPPORT = test/dns_support.c test/dns_support.h test/nameserver.c test/nameserver.h
EYEBALLS = test/eyeballs.c test/eyeballs.h $(DNS_SUPPORT)
test_test_connect_name_SOURCES = test/test_connect_name.c $(EYEBALLS)
test_test_connect_name_LDADD = $(NET_TEST_LIBS)
test_test_connect_name_end_SOURCES = test/test_connect_name_end.c $(EYEBALLS)
test_test_connect_name_end_LDADD = $(NET_TEST_LIBS)
test_test_dns_SOURCES = test/test_dns.c $(DNS_SUPPORT)
test_test_dns_LDADD = $(NET_TEST_LIBS)
test_test_dns_end_SOURCES = test/test_dns_end.c $(DNS_SUPPORT)
test_test_dns_end_LDADD = $(NET_TEST_LIBS)
test_test_dns_system_LDADD = $(NET_TEST_LIBS)

# What the tests of TLS share beside that.
if HAVE_TLS
check_LTLIBRARIES += test/libtlspair.la
test_libtlspair_la_CPPFLAGS = $(AM_CPPFLAGS) $(TLS_CFLAGS)
test_libtlspair_la_SOURCES = test/certificates.c test/certificates.h test/tlspair.c test/tlspair.h
endif
TLS_PAIR_LIBS = test/libtlspair.la $(TLS_TEST_LIBS)
test_test_faults_tls_CPPFLAGS = $(AM_CPPFLAGS) $(TLS_CFLAGS)
test_test_faults_tls_SOURCES = test/test_faults_tls.c $(FAULTS)
test_test_faults_tls_LDADD = $(TLS_PAIR_LIBS)
test_test_tls_CPPFLAGS = $(AM_CPPFLAGS) $(TLS_CFLAGS)
test_test_tls_LDADD = $(TLS_PAIR_LIBS)
test_test_tls_cancel_CPPFLAGS = $(AM_CPPFLAGS) $(TLS_CFLAGS)
test_test_tls_cancel_LDADD = $(TLS_PAIR_LIBS)
test_test_tls_connect_CPPFLAGS = $(AM_CPPFLAGS) $(TLS_CFLAGS)
test_test_tls_connect_LDADD = $(TLS_PAIR_LIBS)
test_test_tls_faults_CPPFLAGS = $(AM_CPPFLAGS) $(TLS_CFLAGS)
test_test_tls_faults_LDADD = $(TLS_PAIR_LIBS)
test_test_tls_memory_CPPFLAGS = $(AM_CPPFLAGS) $(TLS_CFLAGS)
test_test_tls_memory_LDADD = $(TLS_PAIR_LIBS)
test_test_tls_openssl_CPPFLAGS = $(AM_CPPFLAGS) $(TLS_CFLAGS)
test_test_tls_openssl_LDADD = $(TLS_PAIR_LIBS)
test_test_tls_traps_CPPFLAGS = $(AM_CPPFLAGS) $(TLS_CFLAGS)
test_test_tls_traps_LDADD = $(TLS_PAIR_LIBS)

EXTRA_DIST += \
	test/sketches.expected \
	test/sketches.sh \
	test/backtrace.sh \
	test/context_aarch64.c \
	test/context_aarch64.sh \
	test/docs.sh \
	test/faults.sh \
	test/headers.sh \
	test/memcheck-selftest.sh \
	test/symbols.sh \
	docs/conformance.md \
	test/conformance/addon.c \
	test/conformance/addon.h \
	test/conformance/coroutine.c \
	test/conformance/held.c \
	test/conformance/host.c \
	test/conformance/left-out.js \
	test/conformance/left-out.txt \
	test/conformance/package-lock.json \
	test/conformance/package.json \
	test/conformance/programs.js \
	test/conformance/run.js \
	test/conformance/run.sh \
	test/conformance/tap.js \
	test/conformance/value.c \
	test/install/run.sh \
	test/install/consumer.c \
	test/install/consumer.cpp \
	test/install/autotools/Makefile.am \
	test/install/autotools/configure.ac \
	test/install/cmake/CMakeLists.txt

# A coroutine for a debugger to look at.
check_PROGRAMS += test/backtrace
test_backtrace_LDADD = libcore.la $(LIBEVENT_LIBS)

# HTTP requests to servers that nobody here wrote, where they are installed.
check_PROGRAMS += test/httpfetch
test_httpfetch_LDADD = $(EXAMPLE_LIBS)
TESTS += test/http_peers.sh
EXTRA_DIST += test/http_peers.sh

# The sketches that the interface was designed by, with a server for the hosts that they made up.
SKETCHES = \
	test/sketches/01_login \
	test/sketches/02_download \
	test/sketches/02b_download_chain \
	test/sketches/03_mirrors \
	test/sketches/05_echo_chain \
	test/sketches/06_echo_await \
	test/sketches/07_generator \
	test/sketches/08_channel \
	test/sketches/09_work \
	test/sketches/10_typed \
	test/sketches/11_errors \
	test/sketches/12_ctrlc
check_PROGRAMS += $(SKETCHES) test/sketches/server
TESTS += test/sketches.sh
check_LTLIBRARIES += test/sketches/libstandin.la
test_sketches_libstandin_la_SOURCES = test/sketches/standin.c test/sketches/standin.h
test_sketches_server_LDADD = $(EVENT_EXTRA_LIBS) $(LIBEVENT_LIBS)
test_sketches_01_login_LDADD = test/sketches/libstandin.la $(EXAMPLE_LIBS)
test_sketches_02_download_LDADD = $(EXAMPLE_LIBS)
test_sketches_02b_download_chain_LDADD = $(EXAMPLE_LIBS)
test_sketches_03_mirrors_LDADD = $(EXAMPLE_LIBS)
test_sketches_05_echo_chain_LDADD = $(EXAMPLE_LIBS)
test_sketches_06_echo_await_LDADD = $(EXAMPLE_LIBS)
test_sketches_07_generator_LDADD = $(EXAMPLE_LIBS)
test_sketches_08_channel_LDADD = $(EXAMPLE_LIBS)
test_sketches_09_work_SOURCES = test/sketches/09_work.c test/sketches/sha256_file.c
test_sketches_09_work_LDADD = $(EXAMPLE_LIBS)
test_sketches_10_typed_LDADD = $(EXAMPLE_LIBS)
test_sketches_11_errors_LDADD = $(EXAMPLE_LIBS)
test_sketches_12_ctrlc_LDADD = $(EXAMPLE_LIBS)
if HAVE_HIREDIS
check_PROGRAMS += test/sketches/04_hiredis
test_sketches_04_hiredis_SOURCES = test/sketches/04_hiredis.c test/sketches/lookup.c
test_sketches_04_hiredis_CPPFLAGS = $(AM_CPPFLAGS) $(HIREDIS_CFLAGS)
test_sketches_04_hiredis_LDADD = $(EXAMPLE_LIBS) $(HIREDIS_LIBS) $(LIBEVENT_LIBS)
endif

# --- How they run -------------------------------------------------------------------------------------------------------

TEST_EXTENSIONS = .sh
LOG_DRIVER = env AM_TAP_AWK='$(AWK)' $(SHELL) $(top_srcdir)/build-aux/tap-driver.sh
SH_LOG_DRIVER = $(LOG_DRIVER)
SH_LOG_COMPILER = $(SHELL)
# The time limit is for a hang: no test is about speed.
AM_TESTS_ENVIRONMENT = \
	PATH="$$PATH:/usr/sbin:/sbin"; export PATH; \
	CC='$(CC)'; export CC; \
	NM='$(NM)'; export NM; \
	core_headers='$(core_headers)'; export core_headers; \
	net_headers='$(net_headers)'; export net_headers; \
	tls_headers='$(tls_headers)'; export tls_headers; \
	PKG_CONFIG='$(PKG_CONFIG)'; export PKG_CONFIG; \
	MEMCHECK='$(MEMCHECK)'; export MEMCHECK; \
	CK_DEFAULT_TIMEOUT=300; export CK_DEFAULT_TIMEOUT;

if HAVE_CHECK
check_PROGRAMS += $(CHECK_TESTS)
TESTS += $(CHECK_TESTS) $(TREE_TESTS)
else
check-local:
	@echo "The tests need Check 0.12 or later, which configure has not found. Install it (Debian and Ubuntu:" >&2
	@echo "apt-get install check) and configure again, or let ./bootstrap check do both." >&2
	@exit 1
endif

# The Promises/A+ suite, against an installed copy; needs Node and npm, and so is no part of `make check`.
PHONY += conformance
conformance: all
	$(MAKE) $(AM_MAKEFLAGS) check-TESTS TESTS=test/conformance/run.sh TEST_SUITE_LOG=conformance.log \
		check_LTLIBRARIES= check_PROGRAMS=

# Channels beside their model, for ten million operations.
PHONY += channel-model
channel-model: test/test_channel_model$(EXEEXT)
	CHANNEL_OPERATIONS=10000000 CK_DEFAULT_TIMEOUT=3600 test/test_channel_model$(EXEEXT)

# --- Under valgrind, sanitizers and another compiler --------------------------------------------------------------------

# Tests that count to millions divide that by TEST_DIVIDE where every step is slow; limits of time are stretched to match.
# A leak or an error in a forked case ends that case with a status that Check reports.
MEMCHECK = valgrind --quiet --error-exitcode=99 --trace-children=yes --num-callers=30 --leak-check=full \
	--show-leak-kinds=definite,indirect,possible --errors-for-leak-kinds=definite,indirect,possible

# The scripts among them run programs under $LINKCHECK_RUN and the like.
MEMCHECK_TESTS = $(CHECK_TESTS) test/http_peers.sh test/memcheck-selftest.sh

# With a leak and a wrong read on purpose: the self-test proves that they are found.
EXTRA_PROGRAMS += test/selftest_memcheck

# What takes longest there, most of it in OpenSSL and in other processes. The continuous integration has the time for
# the others only (its limit is half an hour); these run there under the address sanitizer with its search for leaks.
MEMCHECK_LONG = \
	test/ask.sh \
	test/fileserver.sh \
	test/http_peers.sh \
	test/linkcheck.sh \
	test/test_child \
	test/test_child_command \
	test/test_child_fault \
	test/test_dns_end \
	test/test_file_end \
	test/test_http_static \
	test/test_oom \
	test/test_tls \
	test/test_tls_cancel \
	test/test_tls_connect \
	test/test_tls_faults \
	test/test_tls_memory \
	test/test_tls_openssl \
	test/test_tls_traps

PHONY += memcheck memcheck-short
memcheck-short:
	tests=; for test in $(MEMCHECK_TESTS); do \
		case ' $(MEMCHECK_LONG) ' in *" $$test "*) ;; *) tests="$$tests $$test" ;; esac; \
	done; \
	$(MAKE) $(AM_MAKEFLAGS) memcheck MEMCHECK_TESTS="$$tests"
memcheck: all $(check_LTLIBRARIES) $(check_PROGRAMS) test/selftest_memcheck$(EXEEXT)
	TEST_DIVIDE=100 CK_TIMEOUT_MULTIPLIER=50 LINKCHECK_TIMEOUT=3 LINKCHECK_RUN='$(LIBTOOL) --mode=execute $(MEMCHECK)' \
	EXAMPLES_RUN='$(LIBTOOL) --mode=execute $(MEMCHECK)' \
	$(MAKE) $(AM_MAKEFLAGS) check-TESTS TESTS='$(MEMCHECK_TESTS)' TEST_SUITE_LOG=memcheck.log \
		LOG_COMPILER='$(LIBTOOL) --mode=execute $(MEMCHECK)'

# The others build in folders of their own, inside the build folder. What is about the tree is tested once, by `make check`.
# Not `make -C`: the folder's path may have white space, and the name by which we came have none (./bootstrap).
variant = $(SHELL) $(top_srcdir)/build-aux/variant $(srcdir)

PHONY += check-asan check-tsan check-clang check-threads
# By another compiler than `make check`, as a rule: that is two in one.
ASAN_CC = clang
check-asan:
	$(variant) asan --enable-debug --enable-werror CC=$(ASAN_CC) CFLAGS='-g -O1 -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all'
	cd variant-asan && TEST_DIVIDE=10 CK_TIMEOUT_MULTIPLIER=10 \
	$(MAKE) $(AM_MAKEFLAGS) check TREE_TESTS=

# The thread sanitizer of older compilers does not start where the kernel scatters addresses widely.
fixed_addresses = $$(setarch -R true 2>/dev/null && echo setarch -R)

check-tsan:
	$(variant) tsan --enable-debug CFLAGS='-g -O1 -fno-omit-frame-pointer -fsanitize=thread'
	cd variant-tsan && TEST_DIVIDE=10 CK_TIMEOUT_MULTIPLIER=20 \
	$(MAKE) $(AM_MAKEFLAGS) check-threads LOG_COMPILER="$(fixed_addresses)"

check-clang:
	$(variant) clang --enable-werror CC=clang CXX=clang++
	cd variant-clang && $(MAKE) $(AM_MAKEFLAGS) check TREE_TESTS=test/symbols.sh

# Those of the tests that are scripts: the continuous integration runs them from a release's tarball.
PHONY += print-scripts
print-scripts:
	@for test in $(TESTS); do case $$test in *.sh) echo $$test;; esac; done

check-threads: all $(check_LTLIBRARIES) $(THREAD_TESTS)
	$(MAKE) $(AM_MAKEFLAGS) check-TESTS TESTS='$(THREAD_TESTS)'

clean-local:
	rm -rf variant-* conformance-npm
