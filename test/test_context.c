/* The switch between stacks. This is compiled twice: for the way that configure has chosen, and for the portable one. */
#include "../src/tasks/context.h"
#include "support.h"
#include "switching.h"

#include <pthread.h>
#include <stdlib.h>

static void all_right(const char *wrong) { ck_assert_msg(!wrong, "%s", wrong); }

START_TEST(to_and_fro) { all_right(switching_turns(test_scaled(200000))); }
END_TEST

START_TEST(aligned_at_entry) { all_right(switching_alignment()); }
END_TEST

START_TEST(the_callers_registers) { all_right(switching_registers(test_scaled(10000))); }
END_TEST

/* Valgrind computes x87 and SSE numbers its own way, and keeps the rounding modes only. */
START_TEST(control_words) { all_right(switching_control_words()); }
END_TEST

START_TEST(one_inside_the_other) { all_right(switching_nested(test_scaled(300))); }
END_TEST

START_TEST(deep_frames) { all_right(switching_deep_frames()); }
END_TEST

START_TEST(a_stack_again_and_again) { all_right(switching_stack_again(test_scaled(10000))); }
END_TEST

START_TEST(libc_runs_there) { all_right(switching_printf()); }
END_TEST

START_TEST(backtraces_end) { all_right(switching_backtrace()); }
END_TEST

static void *turns(void *arg) {
    (void)arg;
    return (void *)switching_turns(test_scaled(20000));
}

START_TEST(on_several_threads) {
    pthread_t threads[4];
    void *wrong;

    for (size_t i = 0; i < 4; i++) ck_assert_int_eq(pthread_create(&threads[i], NULL, turns, NULL), 0);
    for (size_t i = 0; i < 4; i++) {
        ck_assert_int_eq(pthread_join(threads[i], &wrong), 0);
        all_right(wrong);
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("context");
    TCase *cases = tcase_create("switch");

    tcase_add_test(cases, to_and_fro);
    tcase_add_test(cases, aligned_at_entry);
    tcase_add_test(cases, the_callers_registers);
    tcase_add_test(cases, control_words);
    tcase_add_test(cases, one_inside_the_other);
    tcase_add_test(cases, deep_frames);
    tcase_add_test(cases, a_stack_again_and_again);
    tcase_add_test(cases, libc_runs_there);
    tcase_add_test(cases, backtraces_end);
    tcase_add_test(cases, on_several_threads);
    suite_add_tcase(suite, cases);
    return test_main(suite);
}
