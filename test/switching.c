#include "switching.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unwind.h>

#include "../src/tasks/context.h"

#ifdef HAVE_VALGRIND_VALGRIND_H
#include <valgrind/valgrind.h>
#else
#define VALGRIND_STACK_REGISTER(start, end) ((void)(start), (void)(end), 0U)
#define VALGRIND_STACK_DEREGISTER(id) ((void)(id))
#endif

enum { STACK = 128 * 1024, BIG = 1024 * 1024 };

/* A context, who switched to it, and what it tells. */
struct side {
    struct promise__context context, here;
    char *stack;
    void (*fn)(struct side *side);
    const char *wrong;
    size_t count;
    double x;
    int stop;
    unsigned valgrind;
};

static void body(void *arg) {
    struct side *side = arg;

    side->fn(side);
    promise__context_leave(&side->context, &side->here);
}

static struct side *open_sized(void (*fn)(struct side *side), size_t size) {
    struct side *side = calloc(1, sizeof *side);

    side->stack = malloc(size);
    side->valgrind = VALGRIND_STACK_REGISTER(side->stack, side->stack + size);
    side->fn = fn;
    promise__context_make(&side->context, side->stack, size, body, side);
    return side;
}

static struct side *open_side(void (*fn)(struct side *side)) { return open_sized(fn, STACK); }
static void in(struct side *side) { promise__context_switch(&side->here, &side->context); }
static void out(struct side *side) { promise__context_switch(&side->context, &side->here); }

/* It is to end, if it has not. */
static void stop(struct side *side) {
    side->stop = 1;
    in(side);
}

static const char *close_side(struct side *side) {
    const char *wrong = side->wrong;

    VALGRIND_STACK_DEREGISTER(side->valgrind);
    free(side->stack);
    free(side);
    return wrong;
}

/* ---- to and fro ---- */

static void take_turns(struct side *side) {
    for (; !side->stop; out(side)) side->count++;
}

const char *switching_turns(size_t n) {
    struct side *side = open_side(take_turns);

    for (size_t i = 1; i <= n && !side->wrong; i++) {
        in(side);
        if (side->count != i) side->wrong = "a turn was lost or taken twice";
    }
    stop(side);
    return close_side(side);
}

/* ---- alignment ---- */

static void note_alignment(struct side *side) {
    char aligned __attribute__((__aligned__(16))), *volatile address = &aligned;

    /* What is pushed first, the frame pointer, lies below the return address: together 16 bytes. */
    if ((uintptr_t)__builtin_frame_address(0) % 16 || (uintptr_t)address % 16) side->wrong = "the stack is not aligned to 16";
}

const char *switching_alignment(void) {
    char *stack = malloc(STACK);
    struct side side = {.fn = note_alignment};
    unsigned id = VALGRIND_STACK_REGISTER(stack, stack + STACK);

    for (size_t i = 0; i < 64 && !side.wrong; i++) {
        promise__context_make(&side.context, stack + i % 8, STACK - 8 - i / 8 * 3, body, &side);
        in(&side);
    }
    VALGRIND_STACK_DEREGISTER(id);
    free(stack);
    return side.wrong;
}

/* ---- registers ---- */

#if defined __x86_64__
enum { REGISTERS = 6 };

/* Loads what a callee must keep, calls fn(side), and stores it again. */
static void call_with(uint64_t *registers, void (*fn)(struct side *side), struct side *side) {
    __asm__ volatile("movq %%rsp, %%rax\n\t"
                     "subq $128, %%rsp\n\t" /* the red zone */
                     "andq $-16, %%rsp\n\t"
                     "pushq %%rax\n\t"
                     "pushq %%rbp\n\t"
                     "pushq %%rdi\n\t"
                     "pushq %%rdi\n\t"
                     "movq (%%rdi), %%rbx\n\t"
                     "movq 8(%%rdi), %%rbp\n\t"
                     "movq 16(%%rdi), %%r12\n\t"
                     "movq 24(%%rdi), %%r13\n\t"
                     "movq 32(%%rdi), %%r14\n\t"
                     "movq 40(%%rdi), %%r15\n\t"
                     "movq %%rdx, %%rdi\n\t"
                     "call *%%rsi\n\t"
                     "popq %%rdi\n\t"
                     "movq %%rbx, (%%rdi)\n\t"
                     "movq %%rbp, 8(%%rdi)\n\t"
                     "movq %%r12, 16(%%rdi)\n\t"
                     "movq %%r13, 24(%%rdi)\n\t"
                     "movq %%r14, 32(%%rdi)\n\t"
                     "movq %%r15, 40(%%rdi)\n\t"
                     "popq %%rdi\n\t"
                     "popq %%rbp\n\t"
                     "popq %%rsp"
                     : "+D"(registers), "+S"(fn), "+d"(side)
                     :
                     : "rax", "rbx", "rcx", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "xmm0", "xmm1", "xmm2",
                       "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14",
                       "xmm15", "memory", "cc");
}
#elif defined __aarch64__
enum { REGISTERS = 18 };

static void call_with(uint64_t *registers, void (*fn)(struct side *side), struct side *side) {
    register uint64_t *x0 __asm__("x0") = registers;
    register void (*x1)(struct side *) __asm__("x1") = fn;
    register struct side *x2 __asm__("x2") = side;

    __asm__ volatile("sub sp, sp, #16\n\t"
                     "str x0, [sp]\n\t"
                     "ldp x19, x20, [x0]\n\t"
                     "ldp x21, x22, [x0, #16]\n\t"
                     "ldp x23, x24, [x0, #32]\n\t"
                     "ldp x25, x26, [x0, #48]\n\t"
                     "ldp x27, x28, [x0, #64]\n\t"
                     "ldp d8, d9, [x0, #80]\n\t"
                     "ldp d10, d11, [x0, #96]\n\t"
                     "ldp d12, d13, [x0, #112]\n\t"
                     "ldp d14, d15, [x0, #128]\n\t"
                     "mov x0, x2\n\t"
                     "blr x1\n\t"
                     "ldr x0, [sp]\n\t"
                     "stp x19, x20, [x0]\n\t"
                     "stp x21, x22, [x0, #16]\n\t"
                     "stp x23, x24, [x0, #32]\n\t"
                     "stp x25, x26, [x0, #48]\n\t"
                     "stp x27, x28, [x0, #64]\n\t"
                     "stp d8, d9, [x0, #80]\n\t"
                     "stp d10, d11, [x0, #96]\n\t"
                     "stp d12, d13, [x0, #112]\n\t"
                     "stp d14, d15, [x0, #128]\n\t"
                     "add sp, sp, #16"
                     : "+r"(x0), "+r"(x1), "+r"(x2)
                     :
                     : "x3", "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13", "x14", "x15", "x16", "x17", "x18",
                       "x19", "x20", "x21", "x22", "x23", "x24", "x25", "x26", "x27", "x28", "x30", "v0", "v1", "v2", "v3",
                       "v4", "v5", "v6", "v7", "v8", "v9", "v10", "v11", "v12", "v13", "v14", "v15", "v16", "v17", "v18", "v19",
                       "v20", "v21", "v22", "v23", "v24", "v25", "v26", "v27", "v28", "v29", "v30", "v31", "memory", "cc");
}
#else
enum { REGISTERS = 1 }; /* of another machine we know none */

static void call_with(uint64_t *registers, void (*fn)(struct side *side), struct side *side) {
    (void)registers;
    fn(side);
}
#endif

/* Switches with a pattern in the registers, and looks whether it is there afterwards. */
static const char *keep(struct side *side, void (*go)(struct side *side), uint64_t seed) {
    uint64_t registers[REGISTERS], want[REGISTERS];

    for (size_t i = 0; i < REGISTERS; i++) registers[i] = want[i] = seed * UINT64_C(0x9e3779b97f4a7c15) + i;
    call_with(registers, go, side);
    return memcmp(registers, want, sizeof want) ? "a register that is the caller's was changed" : NULL;
}

static void keep_there(struct side *side) {
    for (size_t i = 0; !side->stop; i++) {
        const char *wrong = keep(side, out, 2 * i);
        if (wrong) side->wrong = wrong;
    }
}

const char *switching_registers(size_t n) {
    struct side *side = open_side(keep_there);

    for (size_t i = 0; i < n && !side->wrong; i++) {
        const char *wrong = keep(side, in, 2 * i + 1);
        if (wrong) side->wrong = wrong;
    }
    stop(side);
    return close_side(side);
}

/* ---- how floating point numbers are rounded ---- */

#if defined __x86_64__
struct words {
    uint32_t sse;
    uint16_t x87;
};

static struct words get_words(void) {
    struct words w;

    __asm__ volatile("stmxcsr %0" : "=m"(w.sse));
    __asm__ volatile("fnstcw %0" : "=m"(w.x87));
    w.sse &= 0xffc0; /* the flags below are not the caller's */
    return w;
}

static void set_words(struct words w) {
    __asm__ volatile("ldmxcsr %0" : : "m"(w.sse));
    __asm__ volatile("fldcw %0" : : "m"(w.x87));
}

/* Rounding up, and down. */
static struct words other_words(struct words w, int down) {
    w.sse = (w.sse & ~UINT32_C(0x6000)) | (down ? 0x2000 : 0x4000);
    w.x87 = (uint16_t)((w.x87 & ~0x0c00) | (down ? 0x0400 : 0x0800));
    return w;
}

static int same_words(struct words a, struct words b) { return a.sse == b.sse && a.x87 == b.x87; }
#elif defined __aarch64__
struct words {
    uint64_t fpcr;
};

static struct words get_words(void) {
    struct words w;

    __asm__ volatile("mrs %0, fpcr" : "=r"(w.fpcr));
    return w;
}

static void set_words(struct words w) { __asm__ volatile("msr fpcr, %0" : : "r"(w.fpcr)); }

static struct words other_words(struct words w, int down) {
    w.fpcr = (w.fpcr & ~UINT64_C(0xc00000)) | (down ? 0x800000 : 0x400000);
    return w;
}

static int same_words(struct words a, struct words b) { return a.fpcr == b.fpcr; }
#else
struct words {
    int none;
};

static struct words get_words(void) { return (struct words){0}; }
static void set_words(struct words w) { (void)w; }
static struct words other_words(struct words w, int down) { return (void)down, w; }
static int same_words(struct words a, struct words b) { return a.none == b.none; }
#endif

static void round_down(struct side *side) {
    struct words first = get_words(), down = other_words(first, 1);

    side->count = same_words(first, other_words(first, 0)) ? 1 : 0; /* as whoever made it had it then: up */
    set_words(down);
    for (; !side->stop; out(side))
        if (!same_words(get_words(), down)) side->wrong = "a control word inside was changed";
}

const char *switching_control_words(void) {
    struct words first = get_words(), up = other_words(first, 0);
    struct side *side;

    set_words(up);
    side = open_side(round_down);
    set_words(first);
    for (int i = 0; i < 10; i++) {
        struct words now = i % 2 ? first : up;
        set_words(now);
        in(side);
        if (!same_words(get_words(), now)) side->wrong = "a control word outside was changed";
    }
    set_words(first);
    stop(side);
    if (!side->count) side->wrong = "it does not begin with the control words of whoever made it";
    return close_side(side);
}

/* ---- nested, and deep ---- */

/* Each opens the next one inside, and goes to and fro a few times before it ends. */
static void nest(struct side *side) {
    struct side *inner;

    if (side->count > 1) {
        inner = open_side(nest);
        inner->count = side->count - 1;
        for (int i = 0; i < 3; i++) {
            in(inner);
            out(side);
        }
        in(inner);
        side->count += inner->count;
        close_side(inner);
        return;
    }
    for (int i = 0; i < 3; i++) out(side);
}

const char *switching_nested(size_t depth) {
    struct side *side = open_side(nest);
    size_t sum = depth * (depth + 1) / 2;

    side->count = depth;
    for (int i = 0; i < 4; i++) in(side);
    if (side->count != sum) side->wrong = "nested ones have not all ended";
    return close_side(side);
}

static size_t recurse(struct side *side, size_t depth) {
    volatile unsigned char frame[200];
    size_t sum;

    memset((void *)frame, (int)depth, sizeof frame);
    if (!depth) {
        out(side);
        return 0;
    }
    sum = 1 + recurse(side, depth - 1);
    if (depth % 100 == 0) out(side);
    for (size_t i = 0; i < sizeof frame; i++)
        if (frame[i] != (unsigned char)depth) side->wrong = "a variable was changed";
    return sum;
}

static void go_deep(struct side *side) { side->count = recurse(side, 1000); }

const char *switching_deep_frames(void) {
    struct side *side = open_sized(go_deep, BIG);

    for (int i = 0; i < 12; i++) in(side);
    if (side->count != 1000) side->wrong = "it has not come back from below";
    return close_side(side);
}

/* ---- one after the other ---- */

static void with_variables(struct side *side) {
    char text[64];

    snprintf(text, sizeof text, "%zu", side->count++);
    out(side);
    if (strtoul(text, NULL, 10) != side->count - 1) side->wrong = "a variable was changed";
}

/* Each ends in the middle of its frames, and the next begins above them. */
const char *switching_stack_again(size_t n) {
    char *stack = malloc(STACK);
    struct side side = {.fn = with_variables};
    unsigned id = VALGRIND_STACK_REGISTER(stack, stack + STACK);

    for (size_t i = 0; i < n && !side.wrong; i++) {
        promise__context_make(&side.context, stack, STACK, body, &side);
        in(&side);
        in(&side);
        PROMISE_UNPOISON(stack, STACK);
    }
    if (side.count != n) side.wrong = "not all of them ran";
    VALGRIND_STACK_DEREGISTER(id);
    free(stack);
    return side.wrong;
}

/* ---- libc ---- */

static void print(struct side *side) {
    char text[64];

    snprintf(text, sizeof text, "%.3f %Lg %s %d", side->x, (long double)side->x, "x", 7);
    side->wrong = strcmp(text, "0.125 0.125 x 7") ? "printf gives something else" : NULL;
}

const char *switching_printf(void) {
    struct side *side = open_side(print);

    side->x = 0.125;
    in(side);
    return close_side(side);
}

/* ---- backtraces ---- */

static _Unwind_Reason_Code step(struct _Unwind_Context *context, void *arg) {
    size_t *count = arg;

    (void)context;
    return ++*count > 32 ? _URC_NORMAL_STOP : _URC_NO_REASON;
}

/* They end below the first frame: by what the call frame information says, not by chance. */
static void walk(struct side *side) {
    _Unwind_Reason_Code code = _Unwind_Backtrace(step, &side->count);

    if (code != _URC_END_OF_STACK) side->wrong = "a backtrace does not end";
    else if (side->count < 3 || side->count > 6) side->wrong = "a backtrace has lost its frames, or found more";
}

const char *switching_backtrace(void) {
    struct side *side = open_side(walk);

    in(side);
    return close_side(side);
}
