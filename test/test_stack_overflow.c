/* What is told when a coroutine's stack is too small, and what goes on as if nothing watched. */
#include "../src/tasks/context.h"
#include "../src/tasks/stack.h"
#include "support.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#if defined PROMISE_ASAN || defined PROMISE_TSAN
#define SANITIZED 1 /* they have handlers of their own, which ours gives the signal to: they tell, too, and end by exit() */
#else
#define SANITIZED 0
#endif

/* ---- in a process of its own ---- */

static char said[65536];
static int status;

static void in_child(void (*fn)(void)) {
    const struct rlimit no_core = {0, 0};
    size_t size = 0;
    ssize_t n;
    int ends[2];
    pid_t child;

    ck_assert_int_eq(pipe(ends), 0);
    child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        setrlimit(RLIMIT_CORE, &no_core);
        dup2(ends[1], STDERR_FILENO);
        close(ends[0]);
        close(ends[1]);
        fn();
        _exit(0);
    }
    close(ends[1]);
    while (size < sizeof said - 1 && (n = read(ends[0], said + size, sizeof said - 1 - size)) > 0) size += (size_t)n;
    said[size] = 0;
    close(ends[0]);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
}

/* It ended by the signal, as it would have without us. */
static void ended_by(int number) {
    if (SANITIZED) ck_assert_msg(status != 0, "nothing happened");
    else ck_assert_msg(WIFSIGNALED(status) && WTERMSIG(status) == number, "status %x, and it said: %s", (unsigned)status, said);
}

static void it_said(const char *text) { ck_assert_msg(strstr(said, text) != NULL, "expected \"%s\", it said: %s", text, said); }
static void it_did_not_say(const char *text) { ck_assert_msg(!strstr(said, text), "it said: %s", said); }

/* ---- what overflows ---- */

static volatile size_t sum;

static size_t dig(size_t depth) {
    volatile char frame[100];

    frame[depth % sizeof frame] = (char)depth;
    sum += (size_t)frame[depth % sizeof frame];
    return depth ? dig(depth - 1) + (size_t)frame[depth % sizeof frame] : 0; /* no tail call */
}

static promise_value_t dig_deep(promise_value_t v, void *arg) {
    (void)v, (void)arg;
    return promise_int((int64_t)dig(1000000));
}

static size_t print_on(size_t depth) {
    char text[300];

    snprintf(text, sizeof text, "%zu %*d %f", depth, 200, 1, (double)depth);
    return depth ? print_on(depth - 1) + strlen(text) : 0;
}

static promise_value_t print_deep(promise_value_t v, void *arg) {
    (void)v, (void)arg;
    return promise_int((int64_t)print_on(1000000));
}

static void run(promise_fn *fn, const char *name, size_t size) {
    promise_loop_t *own = promise_loop_new(NULL);
    promise_t *p = promise_async_with(own, &(struct promise_coroutine_options){.stack_size = size, .name = name}, fn, NULL);

    (void)promise_loop_run(own, p, NULL);
}

static void named(void) { run(dig_deep, "digger", 0); }
static void small(void) { run(dig_deep, "small", 20000); }
static void nameless(void) { run(dig_deep, NULL, 0); }
static void printing(void) { run(print_deep, "printer", 0); }

START_TEST(it_is_named) {
    in_child(named);
    it_said("libpromise: stack overflow in the coroutine \"digger\": its stack has ");
    if (!SANITIZED) it_said(" \"digger\": its stack has 256 KiB\n");
    ended_by(SIGSEGV);
    in_child(small);
    it_said("libpromise: stack overflow in the coroutine \"small\": its stack has ");
    if (!SANITIZED) it_said(" \"small\": its stack has 32 KiB\n");
    ended_by(SIGSEGV);
    in_child(nameless);
    it_said("libpromise: stack overflow in a coroutine without a name");
    ended_by(SIGSEGV);
}
END_TEST

START_TEST(deep_in_libc) {
    in_child(printing);
    it_said("libpromise: stack overflow in the coroutine \"printer\": its stack has ");
    ended_by(SIGSEGV);
}
END_TEST

static void protected_way(void) {
    promise__guard_way = GUARD_PROTECTED;
    named();
}

START_TEST(by_mprotect) {
    in_child(protected_way);
    it_said("libpromise: stack overflow in the coroutine \"digger\": its stack has ");
    ended_by(SIGSEGV);
}
END_TEST

/* ---- one of many, on any thread ---- */

static promise_value_t wait_long(promise_value_t v, void *arg) {
    (void)v, (void)arg;
    (void)promise_await(promise_sleep(NULL, 3600000), &v);
    return v;
}

static promise_value_t dig_later(promise_value_t v, void *arg) {
    (void)arg;
    (void)promise_await(promise_sleep(NULL, 1), &v);
    return dig_deep(v, arg);
}

static void one_of_many(void) {
    struct promise_coroutine_options options = {.name = "the one"};
    promise_loop_t *own = promise_loop_new(NULL);
    promise_t *p;

    for (int i = 0; i < 150; i++) promise_unref(promise_async(own, wait_long, NULL));
    p = promise_async_with(own, &options, dig_later, NULL);
    for (int i = 0; i < 150; i++) promise_unref(promise_async(own, wait_long, NULL));
    (void)promise_loop_run(own, p, NULL);
}

START_TEST(the_right_one_of_many) {
    in_child(one_of_many);
    it_said("libpromise: stack overflow in the coroutine \"the one\": its stack has ");
    ended_by(SIGSEGV);
}
END_TEST

static void *run_named(void *arg) {
    named();
    return arg;
}

/* The first ones on this thread have ended before, or wait. */
static void on_a_thread(void) {
    pthread_t thread;
    promise_loop_t *own = promise_loop_new(NULL);
    promise_t *p = promise_async(own, wait_long, NULL);

    (void)promise_loop_turn(own);
    (void)p;
    if (pthread_create(&thread, NULL, run_named, NULL) == 0) pthread_join(thread, NULL);
}

START_TEST(on_any_thread) {
    in_child(on_a_thread);
    it_said("libpromise: stack overflow in the coroutine \"digger\": its stack has ");
    ended_by(SIGSEGV);
}
END_TEST

/* ---- without a guard ---- */

/* As if it had overflowed, without the damage. */
static promise_value_t kill_canary(promise_value_t v, void *arg) {
    char *top = (char *)__builtin_frame_address(0), *base;
    uint64_t canary = STACK_CANARY;

    (void)arg;
    for (base = (char *)((uintptr_t)top & ~(uintptr_t)4095); memcmp(base, &canary, sizeof canary); base -= 4096)
        ;
    memset(base, 0, sizeof canary);
    (void)promise_await(promise_sleep(NULL, 0), &v);
    return v;
}

static void canary(void *arg) {
    (void)arg;
    promise__guard_way = GUARD_CANARY;
    run(kill_canary, "blind", 0);
}

START_TEST(a_dead_canary) {
    if (SANITIZED) return; /* to look for it is forbidden there */
    test_assert_stops(canary, NULL, "stack overflow in the coroutine \"blind\": its stack has 256 KiB");
}
END_TEST

/* ---- other faults ---- */

static promise_value_t touch_nothing(promise_value_t v, void *arg) {
    char *nowhere = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    (void)arg;
    *(volatile char *)nowhere = 1;
    return v;
}

static promise_value_t send_it(promise_value_t v, void *arg) {
    (void)arg;
    raise(SIGSEGV);
    return v;
}

static promise_value_t send_bus(promise_value_t v, void *arg) {
    (void)arg;
    raise(SIGBUS);
    return v;
}

static void wild(void) { run(touch_nothing, "wild", 0); }
static void sent(void) { run(send_it, "sent", 0); }
static void sent_bus(void) { run(send_bus, "sent", 0); }

START_TEST(others_are_as_ever) {
    in_child(wild);
    it_did_not_say("libpromise: ");
    ended_by(SIGSEGV);
    in_child(sent);
    it_did_not_say("libpromise: ");
    ended_by(SIGSEGV);
    in_child(sent_bus);
    it_did_not_say("libpromise: ");
    ended_by(SIGBUS);
}
END_TEST

/* ---- the program's own handler ---- */

static void note(int number, siginfo_t *info, void *context) {
    (void)info, (void)context;
    _exit(number == SIGSEGV ? 42 : 43);
}

static void note_plainly(int number) { _exit(number == SIGSEGV ? 44 : 45); }

static void own_handler(void) {
    sigaction(SIGSEGV, &(struct sigaction){.sa_sigaction = note, .sa_flags = SA_SIGINFO | SA_ONSTACK}, NULL);
    named();
}

static void plain_handler(void) {
    sigaction(SIGSEGV, &(struct sigaction){.sa_handler = note_plainly}, NULL);
    named();
}

static void plain_and_sent(void) {
    sigaction(SIGSEGV, &(struct sigaction){.sa_handler = note_plainly}, NULL);
    sent();
}

static void ignored_and_sent(void) {
    signal(SIGSEGV, SIG_IGN);
    sent();
    _exit(46);
}

static void ends_with(void (*fn)(void), int code) {
    in_child(fn);
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == code, "status %x, and it said: %s", (unsigned)status, said);
}

START_TEST(the_programs_handler_is_next) {
    ends_with(own_handler, 42);
    it_said("libpromise: stack overflow in the coroutine \"digger\"");
    ends_with(plain_handler, 44);
    it_said("libpromise: stack overflow in the coroutine \"digger\"");
    ends_with(plain_and_sent, 44);
    it_did_not_say("libpromise: ");
    ends_with(ignored_and_sent, 46);
}
END_TEST

/* ---- the program's own stack for signals ---- */

static char *own_stack;

static void where(int number) {
    char here;

    (void)number;
    _exit(&here >= own_stack && &here < own_stack + 65536 ? 47 : 48);
}

static void own_altstack(void) {
    own_stack = malloc(65536);
    sigaltstack(&(stack_t){.ss_sp = own_stack, .ss_size = 65536}, NULL);
    signal(SIGSEGV, where);
    named();
}

START_TEST(the_programs_stack_for_signals_stays) {
    ends_with(own_altstack, 47);
    it_said("libpromise: stack overflow in the coroutine \"digger\"");
}
END_TEST

int main(void) {
    Suite *suite = suite_create("stack overflow");
    TCase *told = tcase_create("told"), *others = tcase_create("others");

    tcase_add_test(told, it_is_named);
    tcase_add_test(told, deep_in_libc);
    tcase_add_test(told, by_mprotect);
    tcase_add_test(told, the_right_one_of_many);
    tcase_add_test(told, on_any_thread);
    tcase_add_test(told, a_dead_canary);
    suite_add_tcase(suite, told);
    tcase_add_test(others, others_are_as_ever);
    tcase_add_test(others, the_programs_handler_is_next);
    tcase_add_test(others, the_programs_stack_for_signals_stays);
    suite_add_tcase(suite, others);
    return test_main(suite);
}
