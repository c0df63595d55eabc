/*
 * A promise from the inside. 64 bytes on LP64:
 *
 *      0  refs       consumers' references; of the resolvers' there is a count of its own below
 *      4  flags      FLAG_* and the kind
 *      8  next       the next sibling; the last one's is the parent, tagged. Or the next in the queue of jobs,
 *                    or among the rejections to be reported
 *     16  prev       the sibling before; the first one's is the last. Or the settled parent of a job of its own (LATE),
 *                    or the next in the work list of cancels
 *     24  children   the first of those that wait for this one, in the order of the calls
 *     32  by kind: what it is to do when its input comes; the outcome once it is settled
 *
 * A pending promise is kept alive from above: by its resolvers, or by the parent that has it among its children. A settled
 * one lives as long as it has references or resolvers, is queued, or is listed for a report. A settled parent is queued once,
 * with all its children. A child that comes later is queued itself (LATE), and holds a reference on the parent.
 */
#ifndef PROMISE_SRC_CORE_H
#define PROMISE_SRC_CORE_H

#include <assert.h>

#include <promise/host.h>
#include <promise/iterator.h>
#include <promise/loop.h>
#include <promise/promise.h>

#include "cell.h"
#include "memory.h"

enum kind {
    KIND_SOURCE,    /* waits for its resolvers */
    KIND_AGGREGATE, /* a combinator: waits for its elements */
    KIND_WALK,      /* map and its kin: the same, by way of a struct walk */
    KIND_SLEEP,     /* waits for the host's timer */
    KIND_CHANNEL,   /* waits to send or to receive, see tasks/channel.h */
    KIND_GROUP,     /* a group of tasks: waits for its elements, which may become more */
    KIND_TURN,      /* waits for its turn at a lock, see tasks/turn.h */
    KIND_THENABLE,  /* a job that calls type->then; has an outcome to unwrap as its value */
    LAST_ROOT = KIND_THENABLE, /* up to here they have no parent */
    KIND_REACTION,  /* then, catch, try: runs a handler */
    KIND_FINALLY,
    KIND_ATTACH,
    KIND_ADOPT,     /* passes the outcome on */
    KIND_SHIELD,    /* the same; no cancel goes through */
    KIND_TIMEOUT,
    KIND_ELEMENT,   /* a combinator's hand on one of its inputs; nobody's promise */
    KIND_COROUTINE  /* then_async, async: runs on a stack of its own; suspended, waits for what it awaits */
};

enum {
    FLAG_KIND = 31,
    FLAG_SETTLED = 1 << 5,
    FLAG_RESOLVERS = 1 << 6,  /* resolvers and place are valid */
    FLAG_QUEUED = 1 << 7,     /* settled: in the queue, with children to run */
    FLAG_LATE = 1 << 8,       /* pending: in the queue as a job of its own */
    FLAG_LIVE = 1 << 9,       /* the slot is in use */
    FLAG_CANCELED = 1 << 10,  /* in a cancelled chain (K3) */
    FLAG_NO_INPUT = 1 << 11,  /* LATE, and its input is ECANCELED */
    FLAG_OVERRIDE = 1 << 12,  /* cancelled, but has to wait for its input all the same: then gets ECANCELED instead */
    FLAG_WAITING = 1 << 13,   /* finally: waits for what the handler gave */
    FLAG_DECIDED = 1 << 14,   /* aggregate, walk, group, timeout: the outcome is known, its branches are waited for */
    FLAG_LISTED = 1 << 15,    /* on the work list of cancels; settled: on the list of rejections to be reported */
    FLAG_NOMEM = 1 << 16,     /* on the work list, to be rejected with ENOMEM */
    FLAG_HANDLED = 1 << 17,
    FLAG_REPORTED = 1 << 18,  /* as an unhandled rejection */
    FLAG_NAMED = 1 << 19,
    FLAG_MODE = 7 << 20,      /* aggregate: enum mode; channel: enum channel_op */
    FLAG_ITEM = 1 << 23       /* settled: with an item of a channel that nobody has seen, which goes back there (K6) */
};
#define MODE_SHIFT 20

struct promise {
    uint32_t refs;
    uint32_t flags;
    promise_t *next, *prev, *children;
    union {
        struct { /* source, thenable, adopt with FLAG_RESOLVERS, and settled */
            uint32_t resolvers;
            uint32_t unused;
            const char *place; /* where it was made */
            union {
                struct { /* source */
                    void (*stop)(void *arg);
                    void *stop_arg;
                };
                promise_value_t value; /* settled: the outcome; thenable */
            };
        };
        struct { /* reaction; finally has one handler, and the input's outcome while it waits; coroutine */
            promise_fn *fulfilled;
            void *arg;
            union {
                promise_fn *rejected;
                promise_value_t saved;
                struct {
                    struct coroutine *coroutine; /* at the top of its stack; NULL until it is started */
                    size_t stack_size;           /* as asked for; 0: the default */
                };
            };
        };
        struct { /* attach */
            void *object;
            void (*free_object)(void *object);
        };
        struct { /* timeout, sleep */
            void *timer; /* the host's handle, or NULL */
            uint64_t ms; /* timeout */
            promise_value_t timeout_outcome; /* once decided */
        };
        struct { /* element */
            promise_t *owner; /* aggregate, walk or group; NULL once it is let go of */
            union {
                size_t index;
                void *slot; /* walk: its struct walk_slot; group: its struct turn; or NULL */
            };
            promise_t *ring_next, *ring_prev;
        };
        struct { /* aggregate, walk, group */
            promise_t *ring; /* its elements, in a circle */
            union {
                struct {
                    uint32_t left, need; /* elements that have not settled; values, or rejections, until it is decided */
                };
                struct walk *walk;
                struct promise_group *group;
            };
            promise_value_t result; /* the list it fills, then the outcome */
        };
        struct { /* channel; settled with FLAG_ITEM */
            union {
                promise_t *before; /* in the queue of the channel, where next is the one after */
                promise_t *cases;  /* select: linked by prev */
                uint64_t number;   /* of the item */
            };
            struct promise_channel *channel; /* NULL while it is in no queue */
            promise_value_t item;            /* to be sent; select: what it will give; settled: value */
        };
        struct { /* turn; FLAG_LATE: it is its turn, and the job will tell */
            struct turns *turns; /* NULL: it is in no queue any more */
            promise_t *turn_next, **turn_link;
            uintptr_t want;
        };
    };
};
#if UINTPTR_MAX == UINT64_MAX
static_assert(sizeof(struct promise) == 64, "DESIGN 12: a pending `then` is 64 bytes");
#endif

/* ---- the loop ---- */

struct page;

struct promise_loop {
    /* the queue of jobs */
    promise_t *head, **tail;
    promise_t *running; /* whose handler is on the stack, or which coroutine is on its own */
    unsigned budget;
    unsigned at_once; /* jobs that this slice may still run, and awaits that may go on at once (J1) */
    bool draining;
    bool woken; /* a drain will come, or is running: nobody needs to wake the host */
    bool canceling;    /* somebody above us on the stack goes through the work list */
    bool dying, dead;  /* promise_loop_free has begun, is done */
    bool free_wanted;  /* promise_loop_free was called by a handler */
    struct {
        struct promise_channel *channel; /* NULL: no item */
        uint64_t number;
    } item; /* what the job that runs was given, until it is known whether it passes that on */
    const void *thread;
    const struct promise_host *host;
    void *host_data;

    promise_t *cancels, **cancels_tail; /* work list: roots to be cancelled, linked by prev */
    struct rejections {                 /* without a handler, linked by next */
        promise_t *first, **tail;
    } rejected, before; /* since this slice began, and before it */
    promise_unhandled_fn *unhandled;
    void *unhandled_arg;
    promise_t *nomem; /* settled so, for when not even the reserve has a slot */
    promise_iterator_t *nomem_iterator;
    struct name **names; /* a table, see name.c */
    size_t name_slots, name_count;
    struct promise_source *sources, *singles; /* what has to go with the loop, see source.c */

    /* the slab */
    promise_t *free;       /* the free slots that were taken over from the current page, linked by next */
    struct page *current;  /* whose slots are allocated; in no list */
    struct page *partial;  /* other pages with free slots */
    struct page *spare;    /* empty pages */
    struct page *reserve;  /* for when memory is out; in neither list */
    struct chunk *chunks;  /* all, and so all pages */
    size_t next_pages;     /* how many the next chunk is to have */
    unsigned idle_chunks;  /* with empty pages only: one is kept */
};

/* The running loop of this thread; its address tells threads apart. */
extern _Thread_local promise_loop_t *promise__current;

/* The loop that a public function is to use: loop, or the running one (O6). */
promise_loop_t *promise__loop_or_current(promise_loop_t *loop, const char *function);
promise_loop_t *promise__loop_create(const struct promise_host *host, void *data);
void promise__cancel_everything(promise_loop_t *loop); /* and drains what comes of it */
void promise__loop_destroy(promise_loop_t *loop); /* frees the memory of a dead loop: from the slab, when it is empty */

#ifdef PROMISE_DEBUG
void promise__check_thread(const promise_loop_t *loop, const char *function);
#else
#define promise__check_thread(loop, function) ((void)0)
#endif

static inline promise_loop_t *promise__loop_arg(promise_loop_t *loop, const char *function) {
    if (PROMISE_UNLIKELY(!loop || loop->dead)) return promise__loop_or_current(loop, function);
    promise__check_thread(loop, function);
    return loop;
}

/* ---- slab.c ---- */

int promise__slab_init(promise_loop_t *loop);
void promise__slab_free(promise_loop_t *loop);
promise_t *promise__slab_refill(promise_loop_t *loop);                 /* alloc's slow path; NULL when out of memory */
promise_t *promise__slab_reserve(promise_loop_t *loop);                /* from the reserve, or NULL */
void promise__slab_page_changed(promise_loop_t *loop, struct page *page, bool was_full);
void promise__slab_flush(promise_loop_t *loop); /* gives the slots in the loop's list back to their page */
/* Calls fn for each live slot: fn may free or settle nothing. */
void promise__slab_each(promise_loop_t *loop, void (*fn)(promise_loop_t *loop, promise_t *p));

#define PAGE_SIZE_BYTES ((size_t)16384)
#define SLOT_IN_USE (sizeof(struct promise) - offsetof(struct promise, prev)) /* what a free slot does not need */
#define SLOTS_PER_PAGE (PAGE_SIZE_BYTES / sizeof(struct promise) - 1)

struct page { /* the header of a page, in the place of its first slot */
    promise_loop_t *loop;
    promise_t *free;          /* LIFO, linked by next */
    uint32_t used, fresh;     /* slots not in free, but those that were never used: from fresh on */
    struct page *next, *prev; /* among the partial or the spare ones */
    struct chunk *chunk;
};
static_assert(sizeof(struct page) <= sizeof(struct promise), "the header takes one slot");

static inline struct page *promise__page(const promise_t *p) {
    return (struct page *)((uintptr_t)p & ~(uintptr_t)(PAGE_SIZE_BYTES - 1));
}
static inline promise_loop_t *promise__loop(const promise_t *p) { return promise__page(p)->loop; }

/* A slot, as it is, or NULL when memory is out. */
static inline promise_t *promise__slab_alloc(promise_loop_t *loop) {
    promise_t *p = loop->free;

    if (PROMISE_UNLIKELY(!p)) return promise__slab_refill(loop);
    loop->free = p->next;
    PROMISE_UNPOISON(&p->prev, SLOT_IN_USE);
    return p;
}
static inline bool promise__slab_has_free(const promise_loop_t *loop) { return loop->free != NULL; }

static inline void promise__slab_release(promise_loop_t *loop, promise_t *p) {
    struct page *page = promise__page(p);
    promise_t **list = page == loop->current ? &loop->free : &page->free, *first = *list;

    PROMISE_POISON(&p->prev, SLOT_IN_USE);
    p->flags = 0;
    p->next = first;
    *list = p;
    if (page != loop->current && PROMISE_UNLIKELY(!--page->used || !first)) promise__slab_page_changed(loop, page, !first);
}

/* ---- job.c: settling and running; more in job.h ---- */

/* A pending promise of that kind, with one reference; from the reserve when memory is out, and NULL when that is empty. */
static inline promise_t *promise__alloc(promise_loop_t *loop, enum kind kind) {
    promise_t *p = promise__slab_alloc(loop);

    if (PROMISE_UNLIKELY(!p)) {
        p = promise__slab_reserve(loop);
        if (!p) return NULL;
    }
    p->refs = 1;
    p->flags = FLAG_LIVE | kind;
    p->children = NULL;
    return p;
}
bool promise__is_cycle(const promise_t *p, const promise_t *inner); /* would p, waiting for inner, wait for itself? */
bool promise__drain(promise_loop_t *loop, unsigned budget);
/* Is this handler's promise in a cancelled chain? */
bool promise__running_is_canceled(const promise_loop_t *loop);
promise_t *promise__settled(promise_loop_t *loop, promise_value_t v); /* a new promise, settled with v, which it takes over */
/* Settles p, whose job this is, and runs in the same job what waits for it, also behind links that only pass the outcome on: so
 * nobody can cancel between the two, and what was given with v is not lost (K6). */
void promise__settle_at_once(promise_loop_t *loop, promise_t *p, promise_value_t v);

/* ---- reaction.c: what each kind does with its input, which is lent ---- */

void promise__react(promise_loop_t *loop, promise_t *p, promise_value_t input);
/* Calls a user's function for p, whose result is ours from then on. */
static inline promise_value_t promise__call(promise_loop_t *loop, promise_t *p, promise_fn *fn, promise_value_t v, void *arg) {
    promise_value_t result;

    loop->running = p;
    result = fn(promise__mark(v, MARK_LENT), arg);
    loop->running = NULL;
    return promise__returned(result);
}

/* ---- promise.c ---- */

/* A new promise of that kind that is to wait for p; or NULL, then p is consumed, and *instead is what there is. */
promise_t *promise__derive(promise_t *p, enum kind kind, promise_t **instead);

/* ---- tasks/coroutine.c ---- */

const void *promise__coroutine_current(void); /* the identity of the coroutine that runs, or NULL */
/* Its input has come: what it was started for, or what it awaits. */
void promise__coroutine_run(promise_loop_t *loop, promise_t *p, promise_value_t input);
bool promise__coroutine_is_shielded(const promise_t *p); /* does it await a shield? */

/* ---- unhandled.c ---- */

void promise__unhandled_add(promise_loop_t *loop, promise_t *p);
void promise__unhandled_slice(promise_loop_t *loop);             /* a slice begins */
void promise__unhandled_report(promise_loop_t *loop, bool idle); /* a slice ends; idle: with an empty queue */
void promise__unhandled_late(promise_t *p);
static inline void promise__handled(promise_t *p) {
    p->flags |= FLAG_HANDLED;
    if (PROMISE_UNLIKELY(p->flags & FLAG_REPORTED)) promise__unhandled_late(p);
}

/* ---- cancel.c ---- */

void promise__cancel_up(promise_t *p);  /* K1, from p, which stays the caller's */
void promise__cancel_root(promise_t *p); /* puts it on the work list */
void promise__work_off_cancels(promise_loop_t *loop);
static inline void promise__cancel_all(promise_loop_t *loop) { /* unless somebody above us on the stack is at it */
    if (PROMISE_UNLIKELY(loop->cancels && !loop->canceling)) promise__work_off_cancels(loop);
}
void promise__doom(promise_t *p);        /* a new source, to be rejected with ENOMEM by the next drain */
/* Withdraws a branch from an input that is no longer wanted: true when it must be waited for (T5). */
bool promise__withdraw(promise_t *child);

/* ---- combine.c, walk.c, timer.c: an element's input has come; a root is cancelled ---- */

void promise__aggregate_element(promise_loop_t *loop, promise_t *element, promise_value_t input);
void promise__aggregate_cancel(promise_t *p);
void promise__walk_element(promise_t *element, promise_value_t input);
void promise__walk_cancel(promise_t *p);
void promise__timer_stop(promise_loop_t *loop, promise_t *p);

/* ---- iterator.c ---- */

promise_loop_t *promise__iterator_loop(const promise_iterator_t *it);
promise_iterator_t *promise__iterator_nomem(promise_loop_t *loop); /* the one that each loop has, or NULL: no memory */
void promise__iterator_free(promise_iterator_t *it);
/* What it is that will go on for a while when it is closed now: with a reference for the caller; or NULL. */
promise_t *promise__iterator_leaving(const promise_iterator_t *it);
/* Where p is a call of promise_next() that waits for one before it, or for a generator's coroutine: the promise of that, and what
 * the iterator is, for messages; else NULL. what may be NULL. */
const promise_t *promise__iterator_asked(const promise_t *p, const char **what);
struct promise_feeder {
    promise_t *(*next)(void *object); /* several may be asked for at once */
    void (*close)(void *object);      /* the iterator goes: what was asked for is cancelled, and object let go of */
};
/* Of the items of an object that queues who waits itself. Takes object over, also when there is no memory. */
promise_iterator_t *promise__iterator_fed(promise_loop_t *loop, const struct promise_feeder *feeder, void *object);

/* ---- source.c ---- */

void promise__sources_go(promise_loop_t *loop); /* tells all that the loop goes */
/* What is asked of an object for which there was no memory (promise_source_nomem), or no loop any more. */
static inline promise_value_t promise__no_object(const promise_loop_t *loop) {
    return loop->dying ? promise__canceled() : promise__nomem();
}

/* ---- tasks/channel_item.c: an item that nobody has seen is its channel's (K6) ---- */

void promise__item_to(promise_loop_t *loop, promise_t *p, const promise_t *c, bool alone); /* c is about to be run with p's */
void promise__item_end(promise_loop_t *loop);                                              /* and has been */
void promise__item_pass(promise_loop_t *loop, promise_t *p);
void promise__item_seen(promise_t *p);
void promise__item_return(promise_t *p); /* in place of freeing p */
void promise__channel_cancel(promise_t *p);
/* p, about to be settled with the input of the job that runs, passes it on unseen. */
static inline void promise__pass_on(promise_loop_t *loop, promise_t *p) {
    if (PROMISE_UNLIKELY(loop->item.channel)) promise__item_pass(loop, p);
}
/* Somebody has the outcome of p, settled, by another way than a job. */
static inline void promise__seen(promise_t *p) {
    if (PROMISE_UNLIKELY(p->flags & FLAG_ITEM)) promise__item_seen(p);
}

/* ---- tasks/turn.c, tasks/group.c ---- */

void promise__turn_run(promise_loop_t *loop, promise_t *p, promise_value_t input);
void promise__turn_cancel(promise_t *p);
void promise__turn_tell(promise_t *p); /* a turn that nobody waits for yet: when it has come already, p is settled now */
const char *promise__turn_at(const promise_t *p); /* what kind of lock, or NULL */
void promise__group_element(promise_t *element, promise_value_t input);
void promise__group_cancel(promise_t *p);

/* ---- name.c ---- */

void promise__name_forget(promise_t *p);
void promise__names_free(promise_loop_t *loop);
const char *promise__name_of(const promise_t *p); /* or NULL */
/* What p, pending, waits for in the end: its name, where it was made, or what kind of object it is, for messages. */
const char *promise__describe_source(const promise_t *p, char *buffer, size_t size);

/* The flags by a load of their own: compilers like to read refs and flags as one word, which waits until a write to one of
 * them has left the store buffer. */
static inline uint32_t promise__flags(const promise_t *p) { return *(const volatile uint32_t *)&p->flags; }

/* ---- lists of children ---- */

#define PARENT_TAG ((uintptr_t)1)

static inline bool promise__is_tagged(const promise_t *link) { return (uintptr_t)link & PARENT_TAG; }
static inline promise_t *promise__tag(promise_t *parent) { return (promise_t *)((uintptr_t)parent | PARENT_TAG); }
static inline promise_t *promise__untag(promise_t *link) { return (promise_t *)((uintptr_t)link & ~PARENT_TAG); }

static inline void promise__append_child(promise_t *parent, promise_t *c) {
    promise_t *head = parent->children;

    c->next = promise__tag(parent);
    if (!head) {
        parent->children = c->prev = c;
        return;
    }
    c->prev = head->prev;
    head->prev->next = c;
    head->prev = c;
}

static inline promise_t *promise__shift_child(promise_t *parent) {
    promise_t *head = parent->children;

    if (head->prev == head) parent->children = NULL;
    else {
        parent->children = head->next;
        head->next->prev = head->prev;
    }
    return head;
}

/* Is p among the children of another? */
static inline bool promise__is_child(const promise_t *p) {
    if (p->flags & (FLAG_SETTLED | FLAG_LATE) || (p->flags & FLAG_KIND) <= LAST_ROOT) return false;
    return promise__loop(p)->running != p;
}
static inline bool promise__is_only_child(const promise_t *p) { return p->prev == p; }

void promise__unlink_child(promise_t *c);
void promise__move_children(promise_t *from, promise_t *to); /* behind those that are there */
promise_t *promise__parent(const promise_t *c, int *steps);  /* of a child, found in at most *steps, or NULL */

/* ---- checks at the door ---- */

PROMISE_NORETURN void promise__misused(const promise_t *p, const char *function);

PROMISE_NORETURN void promise__misused_resolver(const promise_t *p, const char *function);

static inline promise_t *promise__check_resolver(promise_resolver_t *resolver, const char *function) {
    promise_t *p = (promise_t *)resolver;
    uint32_t both = FLAG_LIVE | FLAG_RESOLVERS;

    if (PROMISE_UNLIKELY(!p || (p->flags & both) != both || !p->resolvers)) promise__misused_resolver(p, function);
    promise__check_thread(promise__loop(p), function);
    return p;
}

static inline void promise__check(const promise_t *p, const char *function) {
    if (PROMISE_UNLIKELY(!p || !(p->flags & FLAG_LIVE) || !p->refs)) promise__misused(p, function);
    promise__check_thread(promise__loop(p), function);
}

static inline enum kind promise__kind(const promise_t *p) { return (enum kind)(p->flags & FLAG_KIND); }
static inline void promise__set_kind(promise_t *p, enum kind kind) { p->flags = (p->flags & ~(uint32_t)FLAG_KIND) | kind; }

#include "job.h"

#endif
