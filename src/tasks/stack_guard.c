/*
 * The end of a stack. Three ways to guard it, the first that there is:
 *
 * - MADV_GUARD_INSTALL (Linux 6.13): marks pages as not to be touched, and leaves the mapping in one piece.
 * - mprotect(2): makes two mappings more of one, of which a process may have 65,530 (vm.max_map_count), so that this serves
 *   a bounded number of stacks, and leaves half of what the process may map.
 * - A canary: a word at the end of the stack, looked at whenever the coroutine suspends and ends. It tells that a stack
 *   has overflowed, but only after memory was damaged, and it costs the page that it is in.
 *
 * A fault in a guard becomes a message that says who it was, by a handler for SIGSEGV and SIGBUS that runs on a stack of its
 * own. Then, and for all other faults, what the program had set before goes on.
 */
#include "stack.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum promise__guard promise__guard_way;

/* ---- guards ---- */

#ifdef __linux__
enum { GUARD_INSTALL = 102 }; /* MADV_GUARD_INSTALL, which the C library's headers may not have yet */

static bool mark(void *address, size_t size) {
    static atomic_bool refused;

    if (atomic_load_explicit(&refused, memory_order_relaxed)) return false;
    if (madvise(address, size, GUARD_INSTALL) == 0) return true;
    if (errno == EINVAL) atomic_store_explicit(&refused, true, memory_order_relaxed);
    return false;
}
#else
static bool mark(void *address, size_t size) {
    (void)address, (void)size;
    return false;
}
#endif

static atomic_long protected_count;

/* A quarter of the mappings, as each takes two. */
static long most_protected(void) {
    static atomic_long most;
    long n = atomic_load_explicit(&most, memory_order_relaxed);
    FILE *f;

    if (n) return n;
    f = fopen("/proc/sys/vm/max_map_count", "r");
    if (!f || fscanf(f, "%ld", &n) != 1 || n < 4) n = 65530;
    if (f) fclose(f);
    atomic_store_explicit(&most, n /= 4, memory_order_relaxed);
    return n;
}

static bool protect(void *address, size_t size) {
    if (atomic_fetch_add(&protected_count, 1) < most_protected() && mprotect(address, size, PROT_NONE) == 0) return true;
    atomic_fetch_sub(&protected_count, 1);
    return false;
}

enum promise__guard promise__guard_set(void *address, size_t size) {
    enum promise__guard way = promise__guard_way;

    if ((way == GUARD_BEST || way == GUARD_MARKED) && mark(address, size)) return GUARD_MARKED;
    if ((way == GUARD_BEST || way == GUARD_PROTECTED) && protect(address, size)) return GUARD_PROTECTED;
    return GUARD_CANARY;
}

void promise__guard_gone(enum promise__guard guard) {
    if (guard == GUARD_PROTECTED) atomic_fetch_sub(&protected_count, 1);
}

/* ---- the handler ---- */

static const int faults[] = {SIGSEGV, SIGBUS};
static struct sigaction before[2];

static char *append(char *at, const char *end, const char *text) {
    while (at < end && *text) *at++ = *text++;
    return at;
}

static char *append_number(char *at, const char *end, size_t n) {
    char digits[24], *first = digits + sizeof digits;

    *--first = '\0';
    do *--first = (char)('0' + n % 10);
    while (n /= 10);
    return append(at, end, first);
}

static void tell(const char *who, size_t size) {
    char line[512], *at = line;
    const char *end = line + sizeof line - 1;

    at = append(at, end, "libpromise: stack overflow in ");
    at = append(at, end, who);
    at = append(at, end, ": its stack has ");
    at = append_number(at, end, size / 1024);
    at = append(at, end, " KiB");
    *at++ = '\n';
    (void)!write(STDERR_FILENO, line, (size_t)(at - line));
}

/* By default, the fault comes again when we return, and ends the program where it happened. A signal that was sent does not. */
static void go_on(const struct sigaction *old, int number, siginfo_t *info, void *context) {
    bool sent = info->si_code <= 0;

    if (old->sa_flags & SA_SIGINFO) {
        old->sa_sigaction(number, info, context);
    } else if (old->sa_handler != SIG_DFL && old->sa_handler != SIG_IGN) {
        old->sa_handler(number);
    } else if (old->sa_handler == SIG_DFL || !sent) {
        sigaction(number, &(struct sigaction){.sa_handler = SIG_DFL}, NULL);
        if (sent) raise(number);
    }
}

static void on_fault(int number, siginfo_t *info, void *context) {
    char who[256] = "";
    size_t size;
    int saved = errno;

    size = info->si_code > 0 ? promise__stack_guarded(info->si_addr, who, sizeof who) : 0;
    if (size) tell(who, size);
    errno = saved;
    go_on(&before[number == faults[1]], number, info, context);
}

static void handle(void) {
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK};

    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < 2; i++) {
        if (sigaction(faults[i], NULL, &before[i]) == 0) sigaction(faults[i], &action, NULL);
    }
}

/* ---- the thread's stack for signals ---- */

enum { SIGNAL_STACK = 65536 };

/* One that the program or a sanitizer has set serves as well. */
void *promise__guard_watch(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    stack_t old, ours = {.ss_size = SIGNAL_STACK};

    pthread_once(&once, handle);
    if (sigaltstack(NULL, &old) || !(old.ss_flags & SS_DISABLE)) return NULL;
    ours.ss_sp = mmap(NULL, SIGNAL_STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (ours.ss_sp == MAP_FAILED) return NULL;
    if (sigaltstack(&ours, NULL) == 0) return ours.ss_sp;
    munmap(ours.ss_sp, SIGNAL_STACK);
    return NULL;
}

void promise__guard_unwatch(void *watch) {
    stack_t now;

    if (!watch) return;
    if (sigaltstack(NULL, &now) == 0 && now.ss_sp == watch) sigaltstack(&(stack_t){.ss_flags = SS_DISABLE}, NULL);
    munmap(watch, SIGNAL_STACK);
}
