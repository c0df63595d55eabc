/* What has to hold of the switch between stacks (src/tasks/context.h), without Check: it also runs where there is none, on the
 * other machine that we have assembler for. Each gives NULL, or what is wrong. */
#ifndef TEST_SWITCHING_H
#define TEST_SWITCHING_H

#include <stddef.h>

const char *switching_turns(size_t n);
const char *switching_alignment(void);
const char *switching_registers(size_t n);
const char *switching_control_words(void);
const char *switching_nested(size_t depth);
const char *switching_deep_frames(void);
const char *switching_stack_again(size_t n);
const char *switching_printf(void);
const char *switching_backtrace(void);

#endif
