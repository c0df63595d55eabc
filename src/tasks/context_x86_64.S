/*
 * The switch between stacks for x86-64, System V (psABI 3.2.1: rbx, rbp, r12 to r15, rsp, the control bits of MXCSR and the
 * x87 control word belong to the caller; all other registers are the callee's to change, so the compiler keeps nothing there
 * over a call). A stack that does not run ends with, from its stack pointer up:
 *
 *      0  MXCSR, 4 bytes; x87 control word, 2 bytes; 2 unused
 *      8  r15, r14, r13, r12, rbx, rbp
 *     56  where to go on
 *
 * Control-flow enforcement (CET). Indirect branch tracking: what is reached by a pointer begins with endbr64; the jump back
 * into the middle of a function is marked notrack, as a compiler's jump through a switch's table is. Shadow stacks: a return
 * on another stack would not match the shadow of this one, and there is no shadow to switch to without system calls when a
 * stack is made. So this file says IBT, and not SHSTK: the linker notes a program or library as fit for shadow stacks only
 * when all its parts are, and the dynamic linker turns them off for a program with a part that is not.
 */
        .text

/* void *promise__asm_lay(void *base, size_t size, void (*entry)(void *), void *arg) */
        .globl  promise__asm_lay
        .hidden promise__asm_lay
        .type   promise__asm_lay, @function
        .balign 16
promise__asm_lay:
        .cfi_startproc
        endbr64
        leaq    (%rdi,%rsi), %rax
        andq    $-16, %rax              /* the ABI: aligned to 16 before a call */
        leaq    .Lfirst(%rip), %r8
        movq    %r8, -8(%rax)           /* where to go on */
        movq    $0, -16(%rax)           /* rbp: no frame below the first one */
        movq    %rdx, -24(%rax)         /* rbx: entry */
        movq    %rcx, -32(%rax)         /* r12: arg */
        movq    $0, -40(%rax)           /* r13 to r15: nothing */
        movq    $0, -48(%rax)
        movq    $0, -56(%rax)
        stmxcsr -64(%rax)
        fnstcw  -60(%rax)
        subq    $64, %rax
        ret
        .cfi_endproc
        .size   promise__asm_lay, . - promise__asm_lay

/* The first frame of a stack: entered by the jump of a swap, with entry in rbx and arg in r12, rsp aligned to 16. Nothing has
 * called it, which the undefined return address says: a backtrace ends here. */
        .type   start, @function
        .balign 16
start:
        .cfi_startproc
        .cfi_undefined rip
        nop                             /* what unwinds looks up the byte before a return address, as that of the call */
.Lfirst:
        endbr64
        movq    %r12, %rdi
        call    *%rbx
        ud2                             /* entry does not return */
        .cfi_endproc
        .size   start, . - start

/* int promise__asm_swap(void **from_sp, void *to_sp, int value) */
        .globl  promise__asm_swap
        .hidden promise__asm_swap
        .type   promise__asm_swap, @function
        .balign 16
promise__asm_swap:
        .cfi_startproc
        endbr64
        pushq   %rbp                    /* above it is the return address: where to go on */
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset rbp, 0
        pushq   %rbx
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset rbx, 0
        pushq   %r12
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset r12, 0
        pushq   %r13
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset r13, 0
        pushq   %r14
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset r14, 0
        pushq   %r15
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset r15, 0
        subq    $8, %rsp
        .cfi_adjust_cfa_offset 8
        stmxcsr (%rsp)
        fnstcw  4(%rsp)
        movq    %rsp, (%rdi)
        movq    %rsi, %rsp              /* the other stack: it looks the same, so what the CFI says holds on */
        ldmxcsr (%rsp)                  /* always: to look first whether they differ took longer where it was measured */
        fldcw   4(%rsp)
        movl    %edx, %eax              /* value */
        addq    $8, %rsp
        .cfi_adjust_cfa_offset -8
        popq    %r15
        .cfi_adjust_cfa_offset -8
        .cfi_restore r15
        popq    %r14
        .cfi_adjust_cfa_offset -8
        .cfi_restore r14
        popq    %r13
        .cfi_adjust_cfa_offset -8
        .cfi_restore r13
        popq    %r12
        .cfi_adjust_cfa_offset -8
        .cfi_restore r12
        popq    %rbx
        .cfi_adjust_cfa_offset -8
        .cfi_restore rbx
        popq    %rbp
        .cfi_adjust_cfa_offset -8
        .cfi_restore rbp
        popq    %r8                     /* a jump, not ret: the processor would predict that it goes back to who called here */
        .cfi_adjust_cfa_offset -8
        .cfi_register rip, r8
        notrack jmp *%r8
        .cfi_endproc
        .size   promise__asm_swap, . - promise__asm_swap

/* No code runs on the stack. */
        .section .note.GNU-stack, "", @progbits

/* A property of x86 (0xc0000002), of four bytes: fit for IBT (bit 0), not for SHSTK (bit 1). */
        .section .note.gnu.property, "a", @note
        .balign 8
        .long   4                       /* of the name */
        .long   16                      /* of what comes after it */
        .long   5                       /* NT_GNU_PROPERTY_TYPE_0 */
        .asciz  "GNU"
        .long   0xc0000002
        .long   4
        .long   1
        .long   0
