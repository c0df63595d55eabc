# The library: its headers, its sources, and how it is linked.

include_HEADERS = \
	include/promise.h

promiseincludedir = $(includedir)/promise
promiseinclude_HEADERS = \
	include/promise/combine.h \
	include/promise/error.h \
	include/promise/export.h \
	include/promise/host.h \
	include/promise/iterator.h \
	include/promise/loop.h \
	include/promise/memory.h \
	include/promise/promise.h \
	include/promise/remote.h \
	include/promise/source.h \
	include/promise/timer.h \
	include/promise/value.h

# All of it, internal names included: what white-box tests link.
noinst_LTLIBRARIES += libpromise-core.la
libpromise_core_la_CPPFLAGS = -I$(top_srcdir)/include $(LIBEVENT_CFLAGS)
libpromise_core_la_CFLAGS = $(WARN_CFLAGS) $(VISIBILITY_CFLAGS) $(OPTIMIZE_CFLAGS)
libpromise_core_la_LIBADD = $(LIBEVENT_LIBS)
libpromise_core_la_SOURCES = \
	src/cancel.c \
	src/cell.h \
	src/combine.c \
	src/core.c \
	src/core.h \
	src/error.c \
	src/iterator.c \
	src/job.c \
	src/job.h \
	src/list.c \
	src/loop.c \
	src/loop.h \
	src/memory.c \
	src/memory.h \
	src/name.c \
	src/promise.c \
	src/reaction.c \
	src/remote.c \
	src/repeat.c \
	src/ring.c \
	src/ring.h \
	src/slab.c \
	src/source.c \
	src/timer.c \
	src/unhandled.c \
	src/value.c \
	src/walk.c

# What is installed: the same, exporting the public names only. (Visibility alone would let coverage builds add theirs.)
lib_LTLIBRARIES += libpromise.la
libpromise_la_SOURCES =
libpromise_la_LIBADD = libpromise-core.la
libpromise_la_LDFLAGS = -version-info $(LIBRARY_VERSION) -no-undefined -export-symbols-regex '^promise_[a-z]'
