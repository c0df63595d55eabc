/*
 * libpromise: Promises/A+ and callbacks for C, on libevent.
 *
 * This header is all of it; each part has its own:
 *
 *     <promise/value.h>     typed values: whose they are, lists, types of one's own
 *     <promise/error.h>     rejections: throw, wrap, domains and codes
 *     <promise/promise.h>   promises and resolvers: new, then, catch, finally, attach, cancel
 *     <promise/combine.h>   all, all_settled, any, race, some
 *     <promise/iterator.h>  many things: map, each, filter, reduce, repeat
 *     <promise/coroutine.h> async and await
 *     <promise/generator.h> coroutines that give many things
 *     <promise/timer.h>     sleep, timeout, ticks, retry
 *     <promise/group.h>     tasks that belong together, and do not outlive what started them
 *     <promise/mutex.h>     one at a time, among the tasks of a loop
 *     <promise/rwlock.h>    several readers, or one writer
 *     <promise/semaphore.h> so many at a time: a limiter
 *     <promise/condition.h> waiting until another task has changed something
 *     <promise/barrier.h>   tasks that wait for each other
 *     <promise/wait_group.h> waiting until all that was counted is done
 *     <promise/fd.h>        waiting for file descriptors
 *     <promise/signal.h>    signals of the process
 *     <promise/loop.h>      the job queue on an event_base: run, free, unhandled rejections
 *     <promise/host.h>      the job queue on any other event loop
 *     <promise/remote.h>    settling from other threads
 *     <promise/channel.h>   values from task to task, and select
 *     <promise/loops.h>     loops on several threads
 *     <promise/shared_channel.h> values from thread to thread
 *     <promise/child.h>     other programs: starting, feeding, waiting, stopping; commands
 *     <promise/work.h>      blocking functions on other threads
 *     <promise/pool.h>      the threads for them
 *     <promise/function.h>  functions by name, with bytes: what may run anywhere
 *     <promise/process_pool.h> functions in other processes
 *     <promise/executor.h>  one interface in front of all that runs functions
 *     <promise/stream.h>    bytes that come and go: reading, writing, closing, copying
 *     <promise/connect.h>   connecting
 *     <promise/listener.h>  taking connections
 *     <promise/datagram.h>  UDP
 *     <promise/address.h>   addresses of sockets
 *     <promise/file.h>      files, whole or open, on threads of their own
 *     <promise/directory.h> what is in a directory, and in all below
 *     <promise/getaddrinfo.h> names to addresses, and back, as the system has them
 *     <promise/connect_name.h> connecting by name, to whichever address answers (libpromise)
 *     <promise/dns.h>       names to addresses, and back (libpromise)
 *     <promise/http.h>      HTTP messages (libpromise)
 *     <promise/http_client.h> requests over a pool of connections (libpromise)
 *     <promise/http_server.h> handlers that give responses; files (libpromise)
 *     <promise/memory.h>    replacing malloc
 *     <promise/source.h>    writing a source of one's own
 *
 * A letter with a number, as in (O2), names a rule that holds everywhere; docs/design.md lists them at its end. Those that the
 * headers name:
 *
 *     H1  a promise belongs to the thread of its loop
 *     H2  what may cross threads is a type of its own
 *     H3  a value that crosses threads is moved: it is one thread's at a time
 *     J1  jobs run in the order in which they came, up to a budget; then the event_base has its turn
 *     J2  a callback of the library runs at once what it has settled
 *     J3  a loop goes on while jobs are queued, or work from elsewhere is outstanding
 *     J5  promise_loop_free() cancels what is pending, and frees what is attached; new work is rejected with PROMISE_ECANCELED
 *     J7  unhandled rejections are reported when the queue runs empty
 *     K1  a cancel goes up through all that nobody else wants, to the source
 *     K2  there the promise is rejected first; then the work is stopped
 *     K3  a cancelled chain stays cancelled: only what cleans up (finally, shield) still runs
 *     K4  letting go of a promise is no cancel
 *     K5  a timeout withdraws its own interest, and waits for what comes of that
 *     K6  a cancel loses no data: what had arrived is for the next one
 *     N1  there is one type of function: promise_fn
 *     N2  there is one end, promise_end(), and one type of iterator
 *     N4  the codes of errors belong to domains
 *     O1  a call consumes what it is given, also when it fails
 *     O2  what makes a promise or an object gives one that rejects, rather than NULL
 *     O3  arg is borrowed; what must be freed is attached, and freed once, on every path
 *     O5  a resolver is used once; the last one that is abandoned rejects
 *     T5  nothing outlives its combinator: what is no longer wanted is cancelled, and waited for
 *     V1  a rejection is a value with a mark
 *     V2  any value may be given to and returned from any function: it knows whose it is
 *     V3  a constructor that is out of memory gives the ENOMEM rejection
 */
#ifndef PROMISE_H
#define PROMISE_H

#include <promise/address.h>
#include <promise/barrier.h>
#include <promise/channel.h>
#include <promise/child.h>
#include <promise/combine.h>
#include <promise/condition.h>
#include <promise/connect.h>
#include <promise/connect_name.h>
#include <promise/coroutine.h>
#include <promise/datagram.h>
#include <promise/directory.h>
#include <promise/dns.h>
#include <promise/error.h>
#include <promise/executor.h>
#include <promise/fd.h>
#include <promise/file.h>
#include <promise/function.h>
#include <promise/generator.h>
#include <promise/getaddrinfo.h>
#include <promise/group.h>
#include <promise/host.h>
#include <promise/http.h>
#include <promise/http_client.h>
#include <promise/http_server.h>
#include <promise/iterator.h>
#include <promise/listener.h>
#include <promise/loop.h>
#include <promise/loops.h>
#include <promise/memory.h>
#include <promise/mutex.h>
#include <promise/pool.h>
#include <promise/process_pool.h>
#include <promise/promise.h>
#include <promise/remote.h>
#include <promise/rwlock.h>
#include <promise/semaphore.h>
#include <promise/shared_channel.h>
#include <promise/signal.h>
#include <promise/source.h>
#include <promise/stream.h>
#include <promise/timer.h>
#include <promise/value.h>
#include <promise/wait_group.h>
#include <promise/work.h>

#endif
