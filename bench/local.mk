# The measurements: `make bench`. They use the public headers only, but for the
# switch between stacks, and link the static libraries.

EXTRA_PROGRAMS += bench/bench
bench_bench_CPPFLAGS = $(AM_CPPFLAGS) $(LIBEVENT_CFLAGS)
bench_bench_LDFLAGS = -static
bench_bench_LDADD = libpromise.la libpromise-core.la $(EVENT_EXTRA_LIBS) $(LIBEVENT_LIBS)
bench_bench_SOURCES = \
	bench/bench.c \
	bench/bench.h \
	bench/chain.c \
	bench/channel.c \
	bench/combine.c \
	bench/coroutine.c \
	bench/fairness.c \
	bench/host.c \
	bench/locks.c \
	bench/measure.c \
	bench/memory.c \
	bench/peer.c \
	bench/timers.c

EXTRA_PROGRAMS += bench/net
bench_net_CPPFLAGS = $(AM_CPPFLAGS) $(LIBEVENT_CFLAGS) $(EVENT_EXTRA_CFLAGS)
bench_net_LDFLAGS = -static
bench_net_LDADD = libpromise.la libpromise-core.la $(EVENT_EXTRA_LIBS) $(LIBEVENT_LIBS)
bench_net_SOURCES = \
	bench/net.c \
	bench/net.h \
	bench/net_echo.c \
	bench/net_http.c \
	bench/net_load.c

EXTRA_PROGRAMS += bench/executors
bench_executors_LDFLAGS = -static
bench_executors_LDADD = libpromise-core.la $(LIBEVENT_LIBS)

# Beside libuv, where it is installed.
EXTRA_PROGRAMS += bench/work
bench_work_CPPFLAGS = $(AM_CPPFLAGS) -DHAVE_LIBUV=@have_libuv@ $(LIBUV_CFLAGS)
bench_work_LDFLAGS = -static
bench_work_LDADD = libpromise-core.la $(LIBEVENT_LIBS) $(LIBUV_LIBS)

EXTRA_PROGRAMS += bench/shared
bench_shared_CPPFLAGS = $(AM_CPPFLAGS) $(LIBEVENT_CFLAGS)
bench_shared_LDFLAGS = -static
bench_shared_LDADD = libpromise-core.la $(LIBEVENT_LIBS)
bench_shared_SOURCES = bench/bench.h bench/host.c bench/measure.c bench/shared.c

# What others cost, where their compilers and libraries are installed. A failure is no more than a row that is not there.
PEERS = bench/peer_boost bench/peer_go
BOOST_LIBS = -lboost_fiber -lboost_context
PHONY += bench-peers
bench-peers:
	@$(MKDIR_P) bench
	-@$${CXX:-c++} -std=c++14 -O2 -o bench/peer_boost '$(srcdir)/bench/peer_boost.cpp' $(BOOST_LIBS) $(THREAD_CFLAGS)
	-@GOCACHE="$$PWD/bench/go-cache" go build -o bench/peer_go '$(srcdir)/bench/peer_go.go'

EXTRA_DIST += bench/linkcheck.sh bench/peer_boost.cpp bench/peer_go.go docs/bench.md

CLEANFILES += bench/bench$(EXEEXT) bench/executors$(EXEEXT) bench/net$(EXEEXT) bench/shared$(EXEEXT) \
	bench/work$(EXEEXT) $(PEERS)
clean-local: clean-bench
clean-bench:
	rm -rf bench/go-cache
PHONY += clean-bench

# BENCH_ARGS: what to measure and how; bench/bench --help tells.
PHONY += bench
bench: bench/bench$(EXEEXT) bench/executors$(EXEEXT) bench/net$(EXEEXT) bench/shared$(EXEEXT) bench/work$(EXEEXT) \
	bench-peers
	@bench/bench$(EXEEXT) $(BENCH_ARGS)
	@test -n '$(BENCH_ARGS)' || bench/net$(EXEEXT)
	@test -n '$(BENCH_ARGS)' || bench/executors$(EXEEXT)
	@test -n '$(BENCH_ARGS)' || bench/work$(EXEEXT)
	@test -n '$(BENCH_ARGS)' || bench/shared$(EXEEXT)

# DOCS: a folder of HTML files; ROUNDS: how often.
PHONY += linkcheck-docs
if HAVE_LINKCHECK
linkcheck-docs: $(LINKCHECK)
	@test -n '$(DOCS)' || { echo "DOCS is to name a folder of HTML files: make linkcheck-docs DOCS=/folder" >&2; exit 1; }
	@$(SHELL) '$(srcdir)/bench/linkcheck.sh' . '$(DOCS)' $(ROUNDS)
else
linkcheck-docs: demo
endif
