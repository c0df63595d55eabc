/*
 * promise_value_t: what promises are fulfilled and rejected with.
 *
 * Sixteen bytes, passed by value; all zero is void. It carries its type, and it knows whose it is, so that any value may
 * be given to any function and returned from any function (V2):
 *
 *     fresh   just made by a constructor          an argument: taken over      returned: taken over
 *     lent    a handler's argument, list_get      an argument: referenced      returned: referenced
 *     held    put into a variable by await        an argument: referenced      returned: taken over
 *     kept    put into a slot by value_set        an argument: referenced      returned: referenced
 *
 *     promise_value_t got_page(promise_value_t page, void *arg) {
 *         struct session *s = arg;
 *         promise_value_set(&s->page, page);               // keeps it beyond the handler: clear it later
 *         return promise_stringf("%zu bytes", page_size(page));   // fresh: the library takes it over
 *     }
 *
 * Give a fresh value to one function only; when nobody takes it, promise_value_clear() it. To give away what is held or kept,
 * without a reference of the variable's own being left behind, promise_value_move() it. A value belongs to one thread
 * at a time (H3): references are counted without atomics.
 *
 * Constructors that run out of memory free what they were to take and give the ENOMEM rejection (V3): check with
 * promise_is_rejection(), or just pass it on. A NULL where a text, a pointer to values or a type is needed gives the EINVAL
 * rejection that names the argument. Reading a value as a type that it is not stops the program with a message.
 */
#ifndef PROMISE_VALUE_H
#define PROMISE_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <promise/export.h>

PROMISE_BEGIN

typedef struct promise promise_t;
typedef struct promise_resolver promise_resolver_t;

/* type: the address of a struct promise_type and, in its low bits, the marks of V1 and V2. Do not read it: ask. */
typedef struct promise_value {
    uintptr_t type;
    union {
        int64_t integer;
        double number;
        void *pointer;
    } as;
} promise_value_t;

/* The one type of callback (N1). value is lent: it lives until the function returns (an iterator's item until the promise
 * that was given for it has settled). arg is borrowed, as given. The result settles the promise: a rejection rejects it, an
 * adopted promise or a thenable is waited for, any other value fulfils it. */
typedef promise_value_t promise_fn(promise_value_t value, void *arg);

/*
 * A type. Give either free (the library counts the references) or retain and release (the object counts itself; retain
 * cannot fail), or none of them (the pointer is borrowed).
 *   then   makes the type a thenable (Promises/A+ 2.3.3): resolving a promise with such a value calls it from a job, with a
 *          resolver that it owns; the first use of the resolver counts.
 *   print  writes text like snprintf and returns the length it wanted; NULL prints the name.
 * Fields may be added at the end in later versions: size says how many this descriptor has. Descriptors are constant and
 * live as long as the program.
 */
struct promise_type {
    PROMISE_ALIGNAS(8) size_t size;
    const char *name;
    void (*free)(void *object);
    void (*retain)(void *object);
    void (*release)(void *object);
    void (*then)(void *object, promise_resolver_t *resolver);
    size_t (*print)(const void *object, char *buffer, size_t size);
};

PROMISE_API extern const struct promise_type promise_type_end;
PROMISE_API extern const struct promise_type promise_type_int;
PROMISE_API extern const struct promise_type promise_type_double;
PROMISE_API extern const struct promise_type promise_type_pointer;
PROMISE_API extern const struct promise_type promise_type_string;
PROMISE_API extern const struct promise_type promise_type_bytes;
PROMISE_API extern const struct promise_type promise_type_list;
PROMISE_API extern const struct promise_type promise_type_error;
PROMISE_API extern const struct promise_type promise_type_promise;
PROMISE_API extern const struct promise_type promise_type_box;

/* ---- make ---- */

/* Nothing at all: what a handler returns that has nothing to say. */
static inline promise_value_t promise_void(void) {
    promise_value_t v = {0, {0}};
    return v;
}

/* The end of a stream, an iterator, a channel, a generator (N2). */
static inline promise_value_t promise_end(void) {
    promise_value_t v = {(uintptr_t)&promise_type_end, {0}};
    return v;
}

static inline promise_value_t promise_int(int64_t integer) {
    promise_value_t v = {(uintptr_t)&promise_type_int, {0}};
    v.as.integer = integer;
    return v;
}

static inline promise_value_t promise_double(double number) {
    promise_value_t v = {(uintptr_t)&promise_type_double, {0}};
    v.as.number = number;
    return v;
}

/* A borrowed pointer, NULL allowed: whatever it points to must outlive every use. */
static inline promise_value_t promise_pointer(void *pointer) {
    promise_value_t v = {(uintptr_t)&promise_type_pointer, {0}};
    v.as.pointer = pointer;
    return v;
}

/* A copy of text. */
PROMISE_API PROMISE_MUST_USE promise_value_t promise_string(const char *text);
/* Takes text over, which came from malloc(3) (strdup, asprintf, ...): it goes by free(3), also when the call fails. */
PROMISE_API PROMISE_MUST_USE promise_value_t promise_string_take(char *text);
/* A string formatted as by printf. */
PROMISE_API PROMISE_MUST_USE promise_value_t promise_stringf(const char *format, ...) PROMISE_FORMAT(1, 2);
/* A copy of size bytes; data may be NULL when size is 0. */
PROMISE_API PROMISE_MUST_USE promise_value_t promise_bytes(const void *data, size_t size);
/* Takes size bytes over, which came from malloc(3): they go by free(3), also when the call fails. */
PROMISE_API PROMISE_MUST_USE promise_value_t promise_bytes_take(void *data, size_t size);
/* Any pointer with the function that frees it when the last reference goes (at once when the call fails). free_object may
 * be NULL: then nothing is called. */
PROMISE_API PROMISE_MUST_USE promise_value_t promise_box(void *object, void (*free_object)(void *object));
/* An object of a type of the user's. Takes one reference to the object over, also when the call fails; an object that is
 * NULL is an EINVAL rejection. The macros below make a typed function of it. */
PROMISE_API PROMISE_MUST_USE promise_value_t promise_object(const struct promise_type *type, void *object);
/* A list of n values, each of them an argument as V2 says; n may be 0. Elements may be rejections. */
PROMISE_API PROMISE_MUST_USE promise_value_t promise_list(size_t n, const promise_value_t *values);
/* A list whose elements have names, which are copied: promise_get() finds them. */
PROMISE_API PROMISE_MUST_USE promise_value_t promise_keyed(size_t n, const char *const *names, const promise_value_t *values);

/* ---- read: the value is only looked at; what comes back lives as long as it does ---- */

/* Is v a fulfilled value of this type? A rejection is of none; a void value has no type (NULL). */
static inline bool promise_is(promise_value_t v, const struct promise_type *type) {
    return (v.type & ~(uintptr_t)6) == (uintptr_t)type;
}
static inline bool promise_is_void(promise_value_t v) { return promise_is(v, NULL); }
static inline bool promise_is_end(promise_value_t v) { return promise_is(v, &promise_type_end); }
/* Is v a rejection? promise_reason() gives what is in it. */
static inline bool promise_is_rejection(promise_value_t v) { return v.type & 1; }

PROMISE_API int64_t promise_as_int(promise_value_t v);
PROMISE_API double promise_as_double(promise_value_t v);
PROMISE_API void *promise_as_pointer(promise_value_t v);
/* The text, ending in a NUL. */
PROMISE_API const char *promise_as_string(promise_value_t v);
/* The bytes of a bytes value or a string; *size (NULL allowed) is their number. A NUL follows the last one. */
PROMISE_API const char *promise_as_bytes(promise_value_t v, size_t *size);
PROMISE_API void *promise_as_box(promise_value_t v);
PROMISE_API void *promise_as_object(promise_value_t v, const struct promise_type *type);
/* The promise in a value that promise_adopt() made; promise_ref() it to use it. */
PROMISE_API promise_t *promise_as_promise(promise_value_t v);

PROMISE_API size_t promise_list_size(promise_value_t list);
/* The element at index, lent. An index that is too large stops the program. */
PROMISE_API promise_value_t promise_list_get(promise_value_t list, size_t index);
/* Adds an element at the end of the list itself: everyone who has the list sees it. 0, or -1 when out of memory, or when
 * list is a rejection, as a list that could not be made is: then item is released. */
PROMISE_API int promise_list_push(promise_value_t list, promise_value_t item);
/* The element with this name, lent, or void where there is none; the first one, where there are several. */
PROMISE_API promise_value_t promise_get(promise_value_t keyed, const char *name);
/* The name of the element at index, or NULL in a list without names. */
PROMISE_API const char *promise_list_name(promise_value_t list, size_t index);

/* The name of v's type: "void", "int", "string", "user", ...; a rejection's is that of its reason. */
PROMISE_API const char *promise_type_name(promise_value_t v);
/* Writes v as text for people, at most size bytes with the NUL, as snprintf does; returns the length it wanted. */
PROMISE_API size_t promise_print(promise_value_t v, char *buffer, size_t size);

/* ---- keep ---- */

/* Keeps a value beyond its time: *slot, zero or kept before, lets go of what it had and has its own reference to v. */
PROMISE_API void promise_value_set(promise_value_t *slot, promise_value_t v);
/* Lets go of a value of one's own (kept, held, or fresh and never given away) and makes it void. */
PROMISE_API void promise_value_clear(promise_value_t *slot);
/* Gives what a variable or slot holds or keeps as if it were fresh, and makes the slot void: whoever gets it has it alone, and
 * can move it on, as to another thread (H3): promise_await(promise_work(NULL, NULL, fn, promise_value_move(&v)), &v). Of a lent
 * value, which is somebody else's, it gives a reference of its own. */
PROMISE_API PROMISE_MUST_USE promise_value_t promise_value_move(promise_value_t *slot);

/* ---- types of one's own ---- */

/* In a header: NAME_value(object) takes a TYPE * over and gives the value; NAME_of(v) reads it back, borrowed. */
#define PROMISE_DECLARE_TYPE(NAME, TYPE)                                                                                \
    PROMISE_BEGIN                                                                                                       \
    extern const struct promise_type promise_type_##NAME;                                                              \
    PROMISE_END                                                                                                         \
    PROMISE_MUST_USE static inline promise_value_t NAME##_value(TYPE *object) {                                         \
        return promise_object(&promise_type_##NAME, object);                                                           \
    }                                                                                                                   \
    static inline TYPE *NAME##_of(promise_value_t v) { return (TYPE *)promise_as_object(v, &promise_type_##NAME); }

/* In one source: FREE(TYPE *) frees an object when the last reference goes. */
#define PROMISE_DEFINE_TYPE(NAME, TYPE, FREE)                                                                           \
    static void NAME##_free_object_(void *object) { FREE((TYPE *)object); }                                             \
    const struct promise_type promise_type_##NAME = {                                                                  \
        sizeof(struct promise_type), #NAME, NAME##_free_object_, NULL, NULL, NULL, NULL};

/* The same for an object that counts itself: RETAIN(TYPE *) and RELEASE(TYPE *). */
#define PROMISE_DEFINE_COUNTED_TYPE(NAME, TYPE, RETAIN, RELEASE)                                                        \
    static void NAME##_retain_object_(void *object) { RETAIN((TYPE *)object); }                                         \
    static void NAME##_release_object_(void *object) { RELEASE((TYPE *)object); }                                       \
    const struct promise_type promise_type_##NAME = {                                                                  \
        sizeof(struct promise_type), #NAME, NULL, NAME##_retain_object_, NAME##_release_object_, NULL, NULL};

PROMISE_END

#endif
