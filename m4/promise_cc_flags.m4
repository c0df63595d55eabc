# PROMISE_CC_FLAGS(VARIABLE, FLAGS): sets VARIABLE to those of FLAGS that the compiler takes without complaint, and
# substitutes it.
AC_DEFUN([PROMISE_CC_FLAGS], [
    $1=
    promise_saved_cflags=$CFLAGS
    for promise_flag in $2; do
        AC_MSG_CHECKING([whether $CC takes $promise_flag])
        CFLAGS="$promise_saved_cflags -Werror $promise_flag"
        AC_COMPILE_IFELSE([AC_LANG_PROGRAM()],
            [AC_MSG_RESULT([yes])
             $1="$$1 $promise_flag"],
            [AC_MSG_RESULT([no])])
    done
    CFLAGS=$promise_saved_cflags
    $1=${$1# }
    AC_SUBST([$1])
])
