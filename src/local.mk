# libpromise-core: its headers, its sources, and how it is linked. It needs libevent_core only.

include_HEADERS = \
	include/promise.h

promiseincludedir = $(includedir)/promise
promiseinclude_HEADERS = $(core_headers) $(net_headers)

core_headers = \
	include/promise/address.h \
	include/promise/barrier.h \
	include/promise/channel.h \
	include/promise/child.h \
	include/promise/combine.h \
	include/promise/condition.h \
	include/promise/connect.h \
	include/promise/coroutine.h \
	include/promise/datagram.h \
	include/promise/directory.h \
	include/promise/error.h \
	include/promise/executor.h \
	include/promise/export.h \
	include/promise/fd.h \
	include/promise/file.h \
	include/promise/function.h \
	include/promise/generator.h \
	include/promise/getaddrinfo.h \
	include/promise/group.h \
	include/promise/host.h \
	include/promise/iterator.h \
	include/promise/listener.h \
	include/promise/loop.h \
	include/promise/loops.h \
	include/promise/memory.h \
	include/promise/mutex.h \
	include/promise/pool.h \
	include/promise/process_pool.h \
	include/promise/promise.h \
	include/promise/remote.h \
	include/promise/rwlock.h \
	include/promise/semaphore.h \
	include/promise/shared_channel.h \
	include/promise/signal.h \
	include/promise/source.h \
	include/promise/stream.h \
	include/promise/timer.h \
	include/promise/value.h \
	include/promise/wait_group.h \
	include/promise/work.h

# How each of the libraries is compiled and linked. What is installed exports the public names only. (Visibility alone would
# let coverage builds add theirs.)
library_cppflags = -I$(top_srcdir)/include $(LIBEVENT_CFLAGS)
library_cflags = $(WARN_CFLAGS) $(THREAD_CFLAGS) $(VISIBILITY_CFLAGS) $(OPTIMIZE_CFLAGS)
library_ldflags = -version-info $(LIBRARY_VERSION) -no-undefined $(THREAD_CFLAGS)
library_exports = -export-symbols-regex '^promise_[a-z]'

# All of it, internal names included: what white-box tests link.
noinst_LTLIBRARIES += libcore.la
libcore_la_CPPFLAGS = $(library_cppflags) -I$(top_srcdir)/src
libcore_la_CFLAGS = $(library_cflags)
libcore_la_LIBADD = $(LIBEVENT_LIBS)
libcore_la_SOURCES = \
	src/address.c \
	src/cancel.c \
	src/cell.h \
	src/child.c \
	src/child.h \
	src/child_command.c \
	src/child_exit.c \
	src/child_spawn.c \
	src/child_watch.c \
	src/clock.c \
	src/combine.c \
	src/connect.c \
	src/core.c \
	src/core.h \
	src/datagram.c \
	src/error.c \
	src/fd.c \
	src/iterator.c \
	src/job.c \
	src/job.h \
	src/list.c \
	src/listen.c \
	src/listen.h \
	src/listener.c \
	src/loop.c \
	src/loop.h \
	src/mail.h \
	src/memory.c \
	src/memory.h \
	src/name.c \
	src/promise.c \
	src/reaction.c \
	src/remote.c \
	src/repeat.c \
	src/ring.c \
	src/ring.h \
	src/signal.c \
	src/slab.c \
	src/socket.c \
	src/socket.h \
	src/source.c \
	src/stream.c \
	src/stream_below.c \
	src/stream.h \
	src/stream_close.c \
	src/stream_copy.c \
	src/stream_direct.c \
	src/stream_event.c \
	src/stream_read.c \
	src/stream_wait.c \
	src/stream_write.c \
	src/tasks/barrier.c \
	src/tasks/call.c \
	src/tasks/call.h \
	src/tasks/channel.c \
	src/tasks/channel.h \
	src/tasks/channel_buffer.c \
	src/tasks/channel_item.c \
	src/tasks/channel_move.h \
	src/tasks/channel_queue.c \
	src/tasks/condition.c \
	src/tasks/context.c \
	src/tasks/context.h \
	src/tasks/coroutine.c \
	src/tasks/coroutine.h \
	src/tasks/cross.c \
	src/tasks/cross.h \
	src/tasks/directory.c \
	src/tasks/directory.h \
	src/tasks/directory_walk.c \
	src/tasks/executor.c \
	src/tasks/executor_engines.c \
	src/tasks/executor_threads.c \
	src/tasks/file.c \
	src/tasks/file.h \
	src/tasks/file_io.c \
	src/tasks/file_io.h \
	src/tasks/file_lines.c \
	src/tasks/file_path.c \
	src/tasks/file_request.c \
	src/tasks/file_request.h \
	src/tasks/file_whole.c \
	src/tasks/function.c \
	src/tasks/function.h \
	src/tasks/generator.c \
	src/tasks/generator.h \
	src/tasks/getaddrinfo.c \
	src/tasks/group.c \
	src/tasks/loops.c \
	src/tasks/loops.h \
	src/tasks/loops_thread.c \
	src/tasks/mutex.c \
	src/tasks/mutex.h \
	src/tasks/pool.c \
	src/tasks/pool.h \
	src/tasks/pool_close.c \
	src/tasks/pool_fork.c \
	src/tasks/process.h \
	src/tasks/process_call.c \
	src/tasks/process_frame.c \
	src/tasks/process_link.c \
	src/tasks/process_pool.c \
	src/tasks/process_starter.c \
	src/tasks/process_work.c \
	src/tasks/process_worker.c \
	src/tasks/queue.c \
	src/tasks/rwlock.c \
	src/tasks/select.c \
	src/tasks/semaphore.c \
	src/tasks/shared.h \
	src/tasks/shared_channel.c \
	src/tasks/shared_port.c \
	src/tasks/shared_queue.c \
	src/tasks/stack.c \
	src/tasks/stack.h \
	src/tasks/stack_guard.c \
	src/tasks/thread.c \
	src/tasks/thread.h \
	src/tasks/turn.c \
	src/tasks/turn.h \
	src/tasks/wait_group.c \
	src/tasks/work.c \
	src/tasks/worker.c \
	src/timer.c \
	src/timerqueue.c \
	src/timerqueue.h \
	src/unhandled.c \
	src/value.c \
	src/waiting.c \
	src/waiting.h \
	src/walk.c

# The switch between stacks, by configure's --with-context.
if CONTEXT_X86_64
libcore_la_SOURCES += src/tasks/context_x86_64.S
endif
if CONTEXT_AARCH64
libcore_la_SOURCES += src/tasks/context_aarch64.S
endif
if CONTEXT_UCONTEXT
libcore_la_SOURCES += src/tasks/context_ucontext.c
endif

# What is installed.
lib_LTLIBRARIES += libpromise-core.la
libpromise_core_la_SOURCES =
libpromise_core_la_LIBADD = libcore.la
libpromise_core_la_LDFLAGS = $(library_ldflags) $(library_exports)
