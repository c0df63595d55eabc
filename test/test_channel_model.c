/*
 * Channels beside a model: random programs of sends, receives, selects, closes and cancels do the same to both, and after each
 * step every promise must be as the model says, and every value that is looked at. So none is lost, duplicated or reordered.
 *
 * The model is a few lists that are searched from the front. An operation is raw, a promise that is looked at some steps
 * after it has settled; or handled, with something that passes its outcome on and a handler that the next drain runs.
 *
 * `make channel-model` does ten million operations. A failure names its program: SEED=... runs that alone.
 */
#include "../src/tasks/channel.h"
#include "hosted.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CHANNELS = 3, OPS = 20, CASES = 4, STEPS = 1000, MANY = 512 };

static uint64_t program; /* its seed */
static size_t operations;

/* Not by ck_assert alone, which makes a system call each time. */
#define check(what)                                                                                                            \
    do {                                                                                                                       \
        if (!(what)) ck_abort_msg("program %llu, operation %zu: " #what, (unsigned long long)program, operations);             \
    } while (0)

/* ---- the model ---- */

struct item {
    int64_t value;
    uint64_t number; /* the how-manieth that left the channel; UINT64_MAX: it has not */
};

struct op;
struct wait { /* who waits at a channel */
    struct op *op;
    unsigned index;
};

struct channel {
    promise_channel_t *real;
    size_t capacity;
    bool closed;
    struct item items[MANY]; /* those that came back, by number, and the buffer */
    size_t count, buffered;
    struct wait waits[2][OPS * CASES]; /* to receive, to send */
    size_t waiting[2];
    uint64_t left;
};

enum state { FREE, PENDING, GOT, ENDED, SENT, CLOSED }; /* GOT: an item that nobody has seen */

struct op {
    enum state state;
    promise_t *p;
    bool selects, handled, nobodys;
    unsigned n, index; /* cases; which it was */
    struct channel *channels[CASES];
    bool sends[CASES];
    int64_t values[CASES];
    struct channel *from; /* GOT */
    struct item item;
};

static struct channel channels[CHANNELS];
static struct op ops[OPS];
static int64_t next_value;

static void forget_waits(const struct op *op) {
    for (unsigned c = 0; c < CHANNELS; c++)
        for (unsigned side = 0; side < 2; side++) {
            struct wait *w = channels[c].waits[side];
            size_t kept = 0;
            for (size_t i = 0; i < channels[c].waiting[side]; i++)
                if (w[i].op != op) w[kept++] = w[i];
            channels[c].waiting[side] = kept;
        }
}

static void done(struct op *op, enum state state, unsigned index) {
    op->state = state;
    op->index = index;
    forget_waits(op);
    if (op->nobodys) op->state = FREE;
}

static void got(struct op *op, unsigned index, struct channel *from, struct item item) {
    op->from = from;
    op->item = item;
    done(op, GOT, index);
}

/* A select that nobody has only sends; a receive that nobody has does nothing. */
static struct wait *first(struct channel *c, bool send) {
    for (size_t i = 0; i < c->waiting[send]; i++)
        if (send || !c->waits[send][i].op->nobodys) return &c->waits[send][i];
    return NULL;
}

static bool can_send(struct channel *c) { return c->closed || c->buffered < c->capacity || first(c, false); }
static bool can_receive(struct channel *c) { return c->closed || c->count || first(c, true); }

static void insert(struct channel *c, size_t at, struct item item) {
    check(c->count < MANY);
    memmove(c->items + at + 1, c->items + at, (c->count++ - at) * sizeof item);
    c->items[at] = item;
}

static enum state send_now(struct channel *c, int64_t value) {
    struct wait *w = first(c, false);

    if (c->closed) return CLOSED;
    if (w) {
        got(w->op, w->index, c, (struct item){value, ++c->left});
        return SENT;
    }
    insert(c, c->count, (struct item){value, UINT64_MAX});
    c->buffered++;
    return SENT;
}

static void receive_now(struct op *op, unsigned index, struct channel *c) {
    struct wait *w = first(c, true);
    struct item item;

    if (c->count) {
        item = c->items[0];
        memmove(c->items, c->items + 1, --c->count * sizeof item);
        if (item.number != UINT64_MAX) { /* it came back */
            got(op, index, c, item);
            return;
        }
        c->buffered--;
        if (w) {
            insert(c, c->count, (struct item){w->op->values[w->index], UINT64_MAX});
            c->buffered++;
        }
    } else if (w) {
        item.value = w->op->values[w->index];
    } else {
        done(op, ENDED, index);
        return;
    }
    item.number = ++c->left;
    if (w) done(w->op, SENT, w->index);
    got(op, index, c, item);
}

static void give_back(struct channel *c, struct item item) {
    struct wait *w = first(c, false);
    size_t at = 0;

    if (w) {
        got(w->op, w->index, c, item);
        return;
    }
    while (at < c->count && c->items[at].number < item.number) at++;
    insert(c, at, item);
}

static bool is_ready(const struct op *op, unsigned i) {
    struct channel *c = op->channels[i];
    return c && (op->sends[i] ? can_send(c) : can_receive(c));
}

/* picked: what the select has chosen. */
static void start(struct op *op, unsigned picked) {
    bool ready = false;

    for (unsigned i = 0; i < op->n; i++) ready = ready || is_ready(op, i);
    if (ready) {
        check(picked < op->n && is_ready(op, picked));
        if (op->sends[picked]) done(op, send_now(op->channels[picked], op->values[picked]), picked);
        else receive_now(op, picked, op->channels[picked]);
        return;
    }
    for (unsigned i = 0; i < op->n; i++) {
        struct channel *c = op->channels[i];
        if (c) c->waits[op->sends[i]][c->waiting[op->sends[i]]++] = (struct wait){op, i};
    }
}

static void close_model(struct channel *c) {
    struct wait *w;

    if (c->closed) return;
    c->closed = true;
    while ((w = first(c, false))) done(w->op, ENDED, w->index);
    while ((w = first(c, true))) done(w->op, CLOSED, w->index);
}

/* ---- the same on the real one ---- */

static promise_value_t value_of(int64_t i) { return i % 4 ? promise_int(i) : promise_stringf("%lld", (long long)i); }
static int64_t number_in(promise_value_t v) {
    return promise_is(v, &promise_type_int) ? promise_as_int(v) : strtoll(promise_as_string(v), NULL, 10);
}

/* The outcome of op, which somebody sees now, is what the model says. */
static void compare(const struct op *op, promise_value_t v) {
    switch (op->state) {
    case GOT:
    case ENDED:
    case SENT:
        check(!promise_is_rejection(v));
        if (op->selects) {
            check(promise_select_index(v) == op->index);
            v = promise_select_value(v);
        }
        if (op->state == SENT) check(promise_is_void(v));
        else if (op->state == ENDED) check(promise_is_end(v));
        else check(number_in(v) == op->item.value);
        break;
    case CLOSED: check(promise_error_is(v, &promise_errors, PROMISE_ECLOSED)); break;
    default: check(false); /* it must not have settled */
    }
}

static promise_value_t handle(promise_value_t v, void *arg) {
    struct op *op = arg;

    if (promise_is_canceled(v)) return promise_void();
    compare(op, v);
    op->state = FREE;
    promise_unref(op->p);
    return promise_void();
}

static promise_value_t nothing(promise_value_t v, void *arg) {
    (void)v, (void)arg;
    return promise_void();
}
static void free_nothing(void *arg) { (void)arg; }
static promise_value_t follow(promise_value_t v, void *p) {
    (void)v;
    return promise_adopt(p);
}

static void drain(void) {
    hosted_run();
    for (struct op *op = ops; op < ops + OPS; op++) check(op->state <= PENDING || !op->handled);
}

static promise_t *passed_on(promise_t *p) {
    switch (draw(8)) {
    case 0: return promise_timeout(p, 1000000);
    case 1: return promise_attach(p, NULL, free_nothing);
    case 2: return promise_finally(p, nothing, NULL);
    case 3: return promise_then_catch(p, NULL, NULL, NULL);
    case 4:
        p = promise_then(promise_from(loop, promise_void()), follow, p);
        drain(); /* follow has run: p is adopted */
        return p;
    default: return p;
    }
}

static promise_t *real_op(const struct op *op) {
    promise_case_t cases[CASES];

    if (!op->selects && op->sends[0]) return promise_send(op->channels[0]->real, value_of(op->values[0]));
    if (!op->selects) return promise_receive(op->channels[0]->real);
    for (unsigned i = 0; i < op->n; i++)
        cases[i] = (promise_case_t){.channel = op->channels[i] ? op->channels[i]->real : NULL,
                                    .send = op->sends[i],
                                    .value = op->sends[i] ? value_of(op->values[i]) : promise_void()};
    return promise_select(op->n, cases);
}

/* Which case a select has chosen at once, without looking at its value as the public functions do. */
static unsigned picked(const struct op *op) {
    const promise_t *p = op->p;

    if (!op->selects || !(p->flags & FLAG_SETTLED)) return 0;
    if (p->value.type & MARK_REJECTION) {
        const char *text = promise_error_message(promise__mark(p->value, MARK_LENT));
        return (unsigned)strtoul(strstr(text, "case ") + 5, NULL, 10);
    }
    return (unsigned)((struct selected *)promise__object(p->value))->index;
}

static void begin(struct op *op) {
    *op = (struct op){.state = PENDING, .selects = draw(3) == 0, .n = 1};
    if (op->selects) op->n = 1 + draw(CASES);
    for (unsigned i = 0; i < op->n; i++) {
        unsigned c = draw(op->selects ? CHANNELS + 1 : CHANNELS);
        op->channels[i] = c == CHANNELS ? NULL : &channels[c];
        op->sends[i] = draw(2);
        op->values[i] = ++next_value;
    }
    if (op->selects && !op->channels[0]) op->channels[0] = &channels[0]; /* else it needs a loop that is running */
    op->p = real_op(op);
    start(op, picked(op));
    if (draw(3)) return;
    op->p = promise_then_catch(passed_on(op->p), handle, handle, op);
    op->handled = true;
}

/* It is over with op; what it has and nobody saw is its channel's. */
static void drop(struct op *op) {
    struct op before = *op;

    op->state = FREE;
    if (before.state == GOT) give_back(before.from, before.item);
}

static void cancel(struct op *op) {
    if (op->handled) drain(); /* so that nothing else is under way: what comes back does so in the drain */
    if (op->state == FREE) return;
    forget_waits(op);
    drop(op);
    promise_cancel(op->p);
    if (op->handled) drain();
}

/* K6 at its narrowest: the item came, and the handler is queued. */
static void cancel_at_once(struct op *op) {
    if (!op->handled || op->state != GOT) return;
    for (struct op *other = ops; other < ops + OPS; other++)
        if (other != op && other->handled && other->state > PENDING) return; /* these are queued, too */
    drop(op);
    promise_cancel(op->p);
    drain();
}

static void look(struct op *op) {
    if (op->handled || op->state == PENDING) return;
    compare(op, promise_peek(op->p));
    op->state = FREE;
    promise_unref(op->p);
}

static void let_go(struct op *op) {
    if (op->handled) return;
    if (op->state == PENDING) {
        bool sends = false;
        for (unsigned i = 0; i < op->n; i++) sends = sends || (op->sends[i] && op->channels[i]);
        op->nobodys = true;
        if (!sends) {
            forget_waits(op);
            op->state = FREE;
        }
    } else {
        drop(op);
    }
    promise_unref(op->p);
}

static void close_one(struct channel *c) {
    promise_channel_close(c->real);
    close_model(c);
}

static void try_one(struct channel *c) {
    promise_value_t v = {0};

    if (draw(2)) {
        int64_t value = ++next_value;
        bool can = !c->closed && can_send(c);
        check(promise_channel_try_send(c->real, value_of(value)) == can);
        if (can) send_now(c, value);
    } else {
        struct op op = {.state = PENDING};
        bool can = can_receive(c);
        check(promise_channel_try_receive(c->real, &v) == can);
        if (can) {
            receive_now(&op, 0, c);
            compare(&op, v);
        }
        promise_value_clear(&v);
    }
}

/* ---- a program ---- */

static void open_channel(struct channel *c) {
    static const size_t capacities[] = {0, 0, 1, 2, 5, 100};

    *c = (struct channel){.capacity = capacities[draw(6)]};
    c->real = promise_channel_new(loop, c->capacity);
}

/* Another one in its place, when nothing is left of it. */
static void replace(struct channel *c) {
    if (!c->closed || c->count) return;
    for (struct op *op = ops; op < ops + OPS; op++)
        if (op->state == GOT && op->from == c) return;
    promise_channel_unref(c->real);
    open_channel(c);
}

static void compare_all(void) {
    for (struct op *op = ops; op < ops + OPS; op++) {
        enum promise_state state = PROMISE_PENDING;
        if (op->state == FREE || op->nobodys || op->handled) continue;
        if (op->state == CLOSED) state = PROMISE_REJECTED;
        else if (op->state != PENDING) state = PROMISE_FULFILLED;
        check(promise_get_state(op->p) == state);
    }
    for (struct channel *c = channels; c < channels + CHANNELS; c++) check(promise_channel_size(c->real) == c->count);
}

static void act(void) {
    struct op *op = &ops[draw(OPS)];
    struct channel *c = &channels[draw(CHANNELS)];

    if (op->nobodys && op->state == PENDING) return;
    if (op->state == FREE) {
        begin(op);
        return;
    }
    switch (draw(12)) {
    case 0: cancel(op); break;
    case 1: cancel_at_once(op); break;
    case 2: let_go(op); break;
    case 3: try_one(c); break;
    case 4: drain(); break;
    case 5:
        if (draw(8) == 0) close_one(c);
        break;
    case 6: replace(c); break;
    default: look(op);
    }
}

static void ignore(enum promise_unhandled_event event, const promise_t *p, promise_value_t reason, void *arg) {
    (void)event, (void)p, (void)reason, (void)arg;
}

static void run_program(uint64_t seed) {
    program = seed;
    promise__select_draws = (uint32_t)seed * 2654435761U | 1;
    memset(ops, 0, sizeof ops);
    next_value = 0;
    hosted_start();
    promise_loop_on_unhandled(loop, ignore, NULL);
    for (struct channel *c = channels; c < channels + CHANNELS; c++) open_channel(c);
    for (unsigned i = 0; i < STEPS; i++) {
        act();
        compare_all();
        operations++;
    }
    drain();
    for (struct op *op = ops; op < ops + OPS; op++)
        if (op->state != FREE && !op->nobodys) promise_cancel(op->p);
    for (struct channel *c = channels; c < channels + CHANNELS; c++) promise_channel_unref(c->real);
    hosted_end(); /* nothing stays allocated */
}

START_TEST(as_the_model) {
    const char *wanted = getenv("CHANNEL_OPERATIONS");
    size_t n = wanted ? strtoull(wanted, NULL, 10) : test_scaled(100 * STEPS);

    test_seeds(run_program, wanted || n > STEPS ? (n + STEPS - 1) / STEPS : 1);
    if (wanted) printf("# %zu operations as the model says\n", operations);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("channel_model");
    TCase *tcase = tcase_create("channel_model");

    tcase_add_test(tcase, as_the_model);
    suite_add_tcase(suite, tcase);
    return test_main(suite);
}
