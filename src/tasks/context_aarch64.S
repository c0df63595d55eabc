/*
 * The switch between stacks for aarch64, AAPCS64 (6.1: x19 to x29, the link register's content, sp, the low halves of v8 to
 * v15 and the control bits of FPCR belong to the caller; all other registers are the callee's to change, so the compiler
 * keeps nothing there over a call). A stack that does not run ends with, from its stack pointer up:
 *
 *      0  x19 to x28
 *     80  x29, the frame pointer; x30, where to go on
 *     96  d8 to d15
 *    160  FPCR; 8 unused, as sp is aligned to 16 always
 *
 * Branch target identification (BTI): what may be called begins with the landing pad `bti c`, written as the hint that it is
 * on processors without. To another stack it goes by ret, as ret may go anywhere, where br may not go back into the middle of
 * a function. The note at the end says so. Pointer authentication: x30 is kept as the caller gave it, as a function that does
 * not sign may; callers that sign have signed their own copy with their own sp, which a switch gives back. The guarded control
 * stack (GCS) would need a second one for each of ours: this file is not marked as fit for it, and so a program with it is
 * not, and the dynamic linker leaves it off.
 */
        .text

/* void *promise__asm_lay(void *base, size_t size, void (*entry)(void *), void *arg) */
        .globl  promise__asm_lay
        .hidden promise__asm_lay
        .type   promise__asm_lay, %function
        .balign 16
promise__asm_lay:
        .cfi_startproc
        hint    #34                     /* bti c */
        add     x0, x0, x1
        and     x0, x0, #-16
        sub     x0, x0, #176
        mrs     x9, fpcr
        adr     x10, .Lfirst
        stp     x2, x3, [x0]            /* x19: entry; x20: arg */
        stp     xzr, x10, [x0, #80]     /* x29: no frame below the first one; x30: where to go on */
        str     x9, [x0, #160]
        ret
        .cfi_endproc
        .size   promise__asm_lay, . - promise__asm_lay

/* The first frame of a stack: entered by the ret of a swap, with entry in x19 and arg in x20. Nothing has called it, which the
 * undefined return address says: a backtrace ends here. */
        .type   start, %function
        .balign 16
start:
        .cfi_startproc
        .cfi_undefined x30
        nop                             /* what unwinds looks up the byte before a return address, as that of the call */
.Lfirst:
        mov     x0, x20
        blr     x19
        brk     #1                      /* entry does not return */
        .cfi_endproc
        .size   start, . - start

/* int promise__asm_swap(void **from_sp, void *to_sp, int value) */
        .globl  promise__asm_swap
        .hidden promise__asm_swap
        .type   promise__asm_swap, %function
        .balign 16
promise__asm_swap:
        .cfi_startproc
        hint    #34                     /* bti c */
        sub     sp, sp, #176
        .cfi_def_cfa_offset 176
        stp     x19, x20, [sp]
        .cfi_offset x19, -176
        .cfi_offset x20, -168
        stp     x21, x22, [sp, #16]
        .cfi_offset x21, -160
        .cfi_offset x22, -152
        stp     x23, x24, [sp, #32]
        .cfi_offset x23, -144
        .cfi_offset x24, -136
        stp     x25, x26, [sp, #48]
        .cfi_offset x25, -128
        .cfi_offset x26, -120
        stp     x27, x28, [sp, #64]
        .cfi_offset x27, -112
        .cfi_offset x28, -104
        stp     x29, x30, [sp, #80]
        .cfi_offset x29, -96
        .cfi_offset x30, -88
        stp     d8, d9, [sp, #96]
        .cfi_offset d8, -80
        .cfi_offset d9, -72
        stp     d10, d11, [sp, #112]
        .cfi_offset d10, -64
        .cfi_offset d11, -56
        stp     d12, d13, [sp, #128]
        .cfi_offset d12, -48
        .cfi_offset d13, -40
        stp     d14, d15, [sp, #144]
        .cfi_offset d14, -32
        .cfi_offset d15, -24
        mrs     x9, fpcr
        str     x9, [sp, #160]
        mov     x10, sp
        str     x10, [x0]
        mov     sp, x1                  /* the other stack: it looks the same, so what the CFI says holds on */
        ldr     x10, [sp, #160]
        cmp     x9, x10                 /* loading FPCR waits for what is under way: only where it differs */
        b.eq    1f
        msr     fpcr, x10
1:      mov     w0, w2                  /* value */
        ldp     x19, x20, [sp]
        ldp     x21, x22, [sp, #16]
        ldp     x23, x24, [sp, #32]
        ldp     x25, x26, [sp, #48]
        ldp     x27, x28, [sp, #64]
        ldp     x29, x30, [sp, #80]
        ldp     d8, d9, [sp, #96]
        ldp     d10, d11, [sp, #112]
        ldp     d12, d13, [sp, #128]
        ldp     d14, d15, [sp, #144]
        add     sp, sp, #176
        .cfi_def_cfa_offset 0
        .cfi_same_value x19
        .cfi_same_value x20
        .cfi_same_value x21
        .cfi_same_value x22
        .cfi_same_value x23
        .cfi_same_value x24
        .cfi_same_value x25
        .cfi_same_value x26
        .cfi_same_value x27
        .cfi_same_value x28
        .cfi_same_value x29
        .cfi_same_value x30
        .cfi_same_value d8
        .cfi_same_value d9
        .cfi_same_value d10
        .cfi_same_value d11
        .cfi_same_value d12
        .cfi_same_value d13
        .cfi_same_value d14
        .cfi_same_value d15
        ret
        .cfi_endproc
        .size   promise__asm_swap, . - promise__asm_swap

/* No code runs on the stack. */
        .section .note.GNU-stack, "", %progbits

/* A property of aarch64 (0xc0000000), of four bytes: fit for BTI (bit 0). */
        .section .note.gnu.property, "a", %note
        .balign 8
        .long   4                       /* of the name */
        .long   16                      /* of what comes after it */
        .long   5                       /* NT_GNU_PROPERTY_TYPE_0 */
        .asciz  "GNU"
        .long   0xc0000000
        .long   4
        .long   1
        .long   0
