/* The switch between stacks on aarch64, run by an emulator: what test_context.c asks of the machine that we are on. */
#include <stdio.h>

#include "switching.h"

static int failed;

static void report(int number, const char *name, const char *wrong) {
    printf("%s %d - %s%s%s\n", wrong ? "not ok" : "ok", number, name, wrong ? ": " : "", wrong ? wrong : "");
    failed |= wrong != NULL;
}

int main(void) {
    report(1, "to and fro", switching_turns(1000));
    report(2, "aligned at entry", switching_alignment());
    report(3, "the caller's registers", switching_registers(1000));
    report(4, "control words", switching_control_words());
    report(5, "one inside the other", switching_nested(20));
    report(6, "deep frames", switching_deep_frames());
    report(7, "a stack again and again", switching_stack_again(1000));
    report(8, "libc runs there", switching_printf());
    report(9, "backtraces end", switching_backtrace());
    return failed;
}
