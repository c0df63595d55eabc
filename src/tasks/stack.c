/*
 * The pool of stacks. A thread has one pool; a pool has a class for each power of two as the size; a class has arenas: one
 * mapping each, that is carved into up to 64 slots, so that 100,000 stacks are some 1,500 mappings, of which the kernel makes
 * one where they touch (it allows 65,530).
 *
 *      arena:  | struct arena and its slots, a page | guard | stack 0 | guard | stack 1 | ...
 *
 * A stack that is given back is kept as it is, with the pages that it touched, for the next one to take: the last one first,
 * a bounded number of them. The pages of more than that go back to the system, and an arena of which nothing is used is
 * unmapped, but for one that stays so that at the edge nothing is mapped and unmapped again and again.
 *
 * The bookkeeping is in mapped memory: it belongs to the thread, and not to a loop or to the allocator that is set for one.
 */
#include "stack.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#ifdef HAVE_VALGRIND_VALGRIND_H
#include <valgrind/valgrind.h>
#else
#define VALGRIND_STACK_REGISTER(start, end) ((void)(start), (void)(end), 0U)
#define VALGRIND_STACK_DEREGISTER(id) ((void)(id))
#endif

#ifndef MAP_NORESERVE
#define MAP_NORESERVE 0
#endif
#ifndef MAP_STACK
#define MAP_STACK 0
#endif

#ifdef PROMISE_ASAN
#define FRAMES_GROW 2 /* with red zones around each variable */
#else
#define FRAMES_GROW 1
#endif

enum {
    FIRST_CLASS = 14, /* 16 KiB: STACK_MIN_SIZE */
    CLASSES = sizeof(size_t) * 8 - 3 - FIRST_CLASS,
    MOST_SLOTS = 64, /* bits of a map */
    ARENA_SIZE = 64 << 20,
    MOST_KEPT = 256,
    KEPT_SIZE = 64 << 20,
    LEAST_GUARD = 16384, /* a function with so many bytes of variables still does not step over it */
};

struct slot {
    struct slot *next; /* of those that are kept, or came back from other threads */
    promise__stack_describe *describe;
    void *arg;
    unsigned valgrind;
    enum promise__guard guard;
};

/* Its first bytes. It is aligned to a page, and slots are in its first page: each finds its arena by masking its address. */
struct arena {
    struct pool *pool;
    struct arena *next, **link; /* in one of the two lists of its class */
    size_t size;                /* of the mapping */
    char *first;                /* guard of the first slot */
    uint64_t idle, made;        /* slots without pages, for taking; those that were ever used: they have their guard */
    unsigned char class_, slots;
    struct slot slot[];
};

struct class_ {
    struct slot *kept;
    struct arena *open, *full; /* arenas with an idle slot, and without one */
    unsigned kept_count;
    unsigned empty; /* arenas in which all slots are idle: 0 or 1 */
};

struct pool {
    struct class_ class_[CLASSES];
    void *watch;
    size_t arenas;
    struct slot *_Atomic returned; /* by other threads; changed under the lock */
    bool orphan;                   /* its thread has ended, and stacks are still out; under the lock */
};

/* Of the initial model, as a signal handler reads it, which may not load anything. */
static _Thread_local struct pool *mine __attribute__((__tls_model__("initial-exec")));

/* Where threads meet: when a stack comes back from another thread, and when one ends. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t key;
static size_t page, guard;

/* ---- arenas ---- */

static size_t round_up(size_t n, size_t to) { return (n + to - 1) & ~(to - 1); }
static size_t class_size(unsigned c) { return round_up((size_t)1 << (FIRST_CLASS + c), page); }
static size_t slot_size(unsigned c) { return guard + class_size(c); }

static struct arena *arena_of(const struct slot *slot) { return (struct arena *)((uintptr_t)slot & ~(uintptr_t)(page - 1)); }
static unsigned number_of(const struct slot *slot) { return (unsigned)(slot - arena_of(slot)->slot); }
static uint64_t bit_of(const struct slot *slot) { return (uint64_t)1 << number_of(slot); }
static uint64_t all_of(const struct arena *arena) { return UINT64_MAX >> (MOST_SLOTS - arena->slots); }
static char *guard_of(const struct slot *slot) {
    const struct arena *arena = arena_of(slot);

    return arena->first + number_of(slot) * slot_size(arena->class_);
}
static char *base_of(const struct slot *slot) { return guard_of(slot) + guard; }

static void arena_link(struct arena **list, struct arena *arena) {
    arena->link = list;
    arena->next = *list;
    if (arena->next) arena->next->link = &arena->next;
    *list = arena;
}

static void arena_unlink(struct arena *arena) {
    *arena->link = arena->next;
    if (arena->next) arena->next->link = arena->link;
}

/* As many slots as there is room for. Huge pages would make the first byte of a stack cost two megabytes. */
static struct arena *arena_map(struct pool *pool, unsigned c) {
    size_t wanted = ARENA_SIZE / slot_size(c), size;
    struct arena *arena;

    if (wanted > MOST_SLOTS) wanted = MOST_SLOTS;
    if (!wanted) wanted = 1;
    for (;; wanted /= 2) {
        if (!wanted) return NULL;
        size = page + wanted * slot_size(c);
        arena = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
        if (arena != MAP_FAILED) break;
    }
#ifdef MADV_NOHUGEPAGE
    madvise(arena, size, MADV_NOHUGEPAGE);
#endif
    arena->pool = pool;
    arena->size = size;
    arena->first = (char *)arena + page;
    arena->class_ = (unsigned char)c;
    arena->slots = (unsigned char)wanted;
    arena->idle = all_of(arena);
    arena_link(&pool->class_[c].open, arena);
    pool->class_[c].empty++;
    pool->arenas++;
    return arena;
}

static void arena_unmap(struct arena *arena) {
    arena_unlink(arena);
    arena->pool->arenas--;
    for (unsigned i = 0; i < arena->slots; i++) {
        if (!(arena->made >> i & 1)) continue;
        VALGRIND_STACK_DEREGISTER(arena->slot[i].valgrind);
        promise__guard_gone(arena->slot[i].guard);
    }
    munmap(arena, arena->size);
}

/* ---- slots without pages ---- */

/* The first use: it gets its guard, or where there is none to be had its canary. */
static void slot_make(struct slot *slot) {
    char *base = base_of(slot);
    size_t size = class_size(arena_of(slot)->class_);

    arena_of(slot)->made |= bit_of(slot);
    slot->guard = promise__guard_set(base - guard, guard);
    slot->valgrind = VALGRIND_STACK_REGISTER(base, base + size);
}

static struct slot *slot_idle(struct pool *pool, unsigned c) {
    struct class_ *class_ = &pool->class_[c];
    struct arena *arena = class_->open ? class_->open : arena_map(pool, c);
    struct slot *slot;

    if (!arena) return NULL;
    if (arena->idle == all_of(arena)) class_->empty--;
    slot = &arena->slot[__builtin_ctzll(arena->idle)];
    arena->idle &= arena->idle - 1;
    if (!arena->idle) {
        arena_unlink(arena);
        arena_link(&class_->full, arena);
    }
    if (!(arena->made & bit_of(slot))) slot_make(slot);
    return slot;
}

/* Its pages go back to the system, by themselves or with the whole arena. */
static void slot_release(struct slot *slot) {
    struct arena *arena = arena_of(slot);
    struct class_ *class_ = &arena->pool->class_[arena->class_];

    if (!arena->idle) {
        arena_unlink(arena);
        arena_link(&class_->open, arena);
    }
    arena->idle |= bit_of(slot);
    if (arena->idle == all_of(arena)) {
        if (class_->empty) {
            arena_unmap(arena);
            return;
        }
        class_->empty++;
    }
    madvise(base_of(slot), class_size(arena->class_), MADV_DONTNEED);
}

/* ---- slots that are kept ---- */

static unsigned most_kept(unsigned c) {
    size_t n = KEPT_SIZE / class_size(c);

    return n > MOST_KEPT ? MOST_KEPT : (unsigned)n;
}

static void slot_back(struct pool *pool, struct slot *slot) {
    unsigned c = arena_of(slot)->class_;
    struct class_ *class_ = &pool->class_[c];

    slot->describe = NULL;
    if (class_->kept_count >= most_kept(c)) {
        slot_release(slot);
        return;
    }
    slot->next = class_->kept;
    class_->kept = slot;
    class_->kept_count++;
}

static struct slot *slot_kept(struct class_ *class_) {
    struct slot *slot = class_->kept;

    if (slot) {
        class_->kept = slot->next;
        class_->kept_count--;
    }
    return slot;
}

/* ---- pools ---- */

/* What other threads gave back. Under the lock. */
static void collect(struct pool *pool) {
    struct slot *slot = atomic_exchange(&pool->returned, NULL), *next;

    for (; slot; slot = next) {
        next = slot->next;
        slot_back(pool, slot);
    }
}

static void pool_free(struct pool *pool) { munmap(pool, round_up(sizeof *pool, page)); }

/* What nobody runs on; all of it, when nobody does. The bound on what is kept is gone with the thread. Under the lock. */
static void pool_purge(struct pool *pool) {
    struct slot *slot;

    for (unsigned c = 0; c < CLASSES; c++) {
        struct class_ *class_ = &pool->class_[c];

        class_->empty = 1; /* one that stays: no more */
        while ((slot = slot_kept(class_))) slot_release(slot);
        for (struct arena *arena = class_->open, *next; arena; arena = next) {
            next = arena->next;
            if (arena->idle == all_of(arena)) arena_unmap(arena);
        }
    }
    if (!pool->arenas) pool_free(pool);
}

/* The thread ends. What it left running is given back by others, the last of whom frees the pool. */
static void pool_end(void *arg) {
    struct pool *pool = arg;

    promise__guard_unwatch(pool->watch);
    mine = NULL;
    pthread_mutex_lock(&lock);
    collect(pool);
    pool->orphan = true;
    pool_purge(pool);
    pthread_mutex_unlock(&lock);
}

static void open_once(void) {
    page = (size_t)sysconf(_SC_PAGESIZE);
    guard = round_up(LEAST_GUARD, page);
    if (pthread_key_create(&key, pool_end)) promise__stop("coroutines: the program has no thread-specific data left");
}

/* The thread's first stack. */
static PROMISE_COLD struct pool *pool_new(void) {
    struct pool *pool;

    pthread_once(&once, open_once);
    pool = mmap(NULL, round_up(sizeof *pool, page), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pool == MAP_FAILED) return NULL;
    if (pthread_setspecific(key, pool)) {
        pool_free(pool);
        return NULL;
    }
    pool->watch = promise__guard_watch();
    return mine = pool;
}

static PROMISE_COLD void give_from_elsewhere(struct pool *pool, struct slot *slot) {
    pthread_mutex_lock(&lock);
    if (pool->orphan) {
        slot_release(slot);
        pool_purge(pool);
    } else {
        slot->next = atomic_load(&pool->returned);
        atomic_store(&pool->returned, slot);
    }
    pthread_mutex_unlock(&lock);
}

/* ---- for coroutine.c ---- */

/* The first that is as large; -1: larger than anything. */
static int class_for(size_t size) {
    if (!size) size = STACK_DEFAULT_SIZE;
    if (size > SIZE_MAX >> 4) return -1;
    size *= FRAMES_GROW;
    if (size <= STACK_MIN_SIZE) return 0;
    return 64 - FIRST_CLASS - __builtin_clzll((unsigned long long)size - 1);
}

static PROMISE_NOINLINE struct slot *slot_new(struct pool *pool, unsigned c) {
    struct slot *slot;

    if (atomic_load_explicit(&pool->returned, memory_order_relaxed)) {
        pthread_mutex_lock(&lock);
        collect(pool);
        pthread_mutex_unlock(&lock);
        slot = slot_kept(&pool->class_[c]);
        if (slot) return slot;
    }
    return slot_idle(pool, c);
}

int promise__stack_take(struct promise__stack *stack, size_t size, promise__stack_describe *describe, void *arg) {
    struct pool *pool = mine ? mine : pool_new();
    struct slot *slot;
    int c;

    if (!pool) return -1;
    c = class_for(size);
    if (c < 0) return -1;
    slot = slot_kept(&pool->class_[c]);
    if (!slot) slot = slot_new(pool, (unsigned)c);
    if (!slot) return -1;
    slot->describe = describe;
    slot->arg = arg;
    stack->base = base_of(slot);
    stack->size = class_size((unsigned)c);
    stack->slot = slot;
    stack->canary = NULL;
    if (slot->guard == GUARD_CANARY) stack->canary = memcpy(stack->base, &(uint64_t){STACK_CANARY}, sizeof(uint64_t));
    return 0;
}

void promise__stack_give(struct promise__stack *stack) {
    struct slot *slot = stack->slot;
    struct pool *pool = arena_of(slot)->pool;

    promise__stack_check(stack);
    PROMISE_UNPOISON(stack->base, stack->size); /* frames that were left without a return */
    *stack = (struct promise__stack){0};
    if (pool == mine) slot_back(pool, slot);
    else give_from_elsewhere(pool, slot);
}

/* ---- what overflowed ---- */

static size_t look_in(const struct arena *arena, const char *address, char *buffer, size_t size) {
    for (; arena; arena = arena->next) {
        const struct slot *slot;
        size_t offset;

        if (address < arena->first || address >= (const char *)arena + arena->size) continue;
        offset = (size_t)(address - arena->first);
        if (offset % slot_size(arena->class_) >= guard) return 0;
        slot = &arena->slot[offset / slot_size(arena->class_)];
        if (!slot->describe) return 0;
        slot->describe(slot->arg, buffer, size);
        return class_size(arena->class_);
    }
    return 0;
}

size_t promise__stack_guarded(const void *address, char *buffer, size_t size) {
    size_t found = 0;

    for (unsigned c = 0; mine && c < CLASSES && !found; c++) {
        found = look_in(mine->class_[c].open, address, buffer, size);
        if (!found) found = look_in(mine->class_[c].full, address, buffer, size);
    }
    return found;
}

void promise__stack_died(const struct promise__stack *stack) {
    const struct slot *slot = stack->slot;
    char who[256] = "";

    slot->describe(slot->arg, who, sizeof who);
    promise__stop("stack overflow in %s: its stack has %zu KiB", who, stack->size / 1024);
}
