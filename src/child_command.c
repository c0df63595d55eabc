/* Commands: a child that is fed, read to its end and waited for. */
#include "child.h"

#include <errno.h>
#include <string.h>

#include <promise/combine.h>

/* ---- the result ---- */

struct result {
    promise_value_t exit, out, err;
};

static void result_free(void *object) {
    struct result *r = object;

    promise__release(r->exit);
    promise__release(r->out);
    promise__release(r->err);
    promise__free(r);
}

static size_t result_print(const void *object, char *buffer, size_t size) {
    return promise_print(((const struct result *)object)->exit, buffer, size);
}

const struct promise_type promise_type_command = {
    .size = sizeof(struct promise_type), .name = "command", .free = result_free, .print = result_print};

static const struct result *result_of(promise_value_t v, const char *function) {
    return promise__as_object_of(v, &promise_type_command, function);
}

promise_value_t promise__command_exit(promise_value_t v) { return result_of(v, __func__)->exit; }
promise_value_t promise_command_out(promise_value_t v) { return promise__mark(result_of(v, __func__)->out, MARK_LENT); }
promise_value_t promise_command_err(promise_value_t v) { return promise__mark(result_of(v, __func__)->err, MARK_LENT); }

/* ---- running ---- */

struct command {
    promise_child_t *child;
    struct result result; /* as far as it is known */
    promise_value_t input;
    size_t max_output;
    bool any_exit, done;
    char name[];
};

/* On every path; what is still running, its group too, is of no use to anybody. */
static void command_free(void *arg) {
    struct command *c = arg;

    if (!c->done && c->child) promise_child_stop(c->child);
    promise_child_close(c->child);
    promise__release(c->result.exit);
    promise__release(c->result.out);
    promise__release(c->result.err);
    promise__release(c->input);
    promise__free(c);
}

/* ---- the parts ---- */

static promise_value_t close_input(promise_value_t v, void *arg) {
    struct command *c = arg;

    (void)v;
    return promise_adopt(promise_stream_close(promise_child_stdin(c->child)));
}

/* A program may exit before it has read everything. */
static promise_value_t not_read(promise_value_t v, void *arg) {
    (void)arg;
    if (promise_error_is(v, &promise_errno_errors, EPIPE) || promise_error_is(v, &promise_errors, PROMISE_ECLOSED))
        return promise_void();
    return v;
}

static promise_t *feed(struct command *c) {
    promise_t *p = promise_stream_write(promise_child_stdin(c->child), promise__copy(c->input));

    return promise_catch(promise_then(p, close_input, c), not_read, NULL);
}

/* Others may still hold the other end of its input. */
static promise_value_t exited(promise_value_t v, void *arg) {
    struct command *c = arg;

    promise_value_set(&c->result.exit, v);
    promise_stream_abort(promise_child_stdin(c->child));
    return promise_void();
}

static promise_value_t keep(promise_value_t v, void *slot) {
    promise_value_set(slot, v);
    return promise_void();
}

static promise_value_t too_much(promise_value_t v, void *arg) {
    struct command *c = arg;

    if (!promise_error_is(v, &promise_errno_errors, EMSGSIZE)) return v;
    return promise_throw_errno_at(NULL, EMSGSIZE, "%s: more than %zu bytes of output", c->name, c->max_output);
}

static promise_t *collect(struct command *c, promise_stream_t *stream, promise_value_t *slot) {
    promise_t *p = promise_then(promise_stream_read_all(stream, c->max_output), keep, slot);

    return promise_catch(p, too_much, c);
}

/* ---- the whole ---- */

/* The last that it wrote to standard error: whole lines, as far as they are short enough. */
static promise_value_t failed(const struct command *c) {
    enum { MOST = 256 };
    size_t size = 0, most = MOST;
    const char *text = "", *line;

    if (!promise_is_void(c->result.err)) text = promise_as_bytes(c->result.err, &size);
    while (size && (text[size - 1] == '\n' || text[size - 1] == '\r')) size--;
    if (size > most) {
        text += size - most;
        line = memchr(text, '\n', most);
        if (line) most -= (size_t)(line + 1 - text), text = line + 1;
        size = most;
    }
    return promise__exit_failed(c->name, c->result.exit, text, size);
}

static promise_value_t finish(promise_value_t v, void *arg) {
    struct command *c = arg;
    struct result *r;

    (void)v;
    c->done = true;
    if (!c->any_exit && promise_exit_status(c->result.exit) != 0) return failed(c);
    r = promise__malloc(sizeof *r);
    if (!r) return promise__nomem();
    *r = c->result;
    c->result = (struct result){0};
    return promise_object(&promise_type_command, r);
}

static promise_t *run(struct command *c, promise_loop_t *loop, struct promise_child_options *o) {
    promise_t *parts[4];
    size_t n = 0;

    if (!promise_is_void(c->input)) o->in = PROMISE_CHILD_PIPE;
    if (o->in == PROMISE_CHILD_PIPE && promise_is_void(c->input)) o->in = PROMISE_CHILD_NULL; /* nobody would feed it */
    if (o->out == PROMISE_CHILD_DEFAULT) o->out = PROMISE_CHILD_PIPE;
    if (o->err == PROMISE_CHILD_DEFAULT) o->err = PROMISE_CHILD_PIPE;
    c->child = promise__child_spawn(loop, o, "promise_command");
    parts[n++] = promise_then(promise_child_wait(c->child), exited, c);
    if (!promise_is_void(promise_child_error(c->child))) return parts[0];
    if (o->in == PROMISE_CHILD_PIPE) parts[n++] = feed(c);
    if (o->out == PROMISE_CHILD_PIPE) parts[n++] = collect(c, promise_child_stdout(c->child), &c->result.out);
    if (o->err == PROMISE_CHILD_PIPE) parts[n++] = collect(c, promise_child_stderr(c->child), &c->result.err);
    return promise_all(loop, n, parts);
}

/* Takes input over. */
static promise_t *command(promise_loop_t *loop, struct promise_child_options *o, const struct promise_command_options *with,
                          promise_value_t input, const char *name) {
    size_t size = strlen(name) + 1;
    struct command *c = promise__malloc(sizeof *c + size);

    if (!c) {
        promise__release(input);
        return promise__settled(loop, promise__nomem());
    }
    memset(c, 0, sizeof *c);
    memcpy(c->name, name, size);
    c->input = input;
    c->max_output = with->max_output ? with->max_output : (size_t)64 << 20;
    c->any_exit = with->any_exit;
    return promise_attach(promise_then(run(c, loop, o), finish, c), c, command_free);
}

promise_t *promise_command_with(promise_loop_t *loop, const struct promise_child_options *child,
                                const struct promise_command_options *options) {
    struct promise_command_options with = options ? *options : (struct promise_command_options){0};
    struct promise_child_options o = child ? *child : (struct promise_child_options){0};
    promise_value_t input = promise__take(with.input), why = promise_void();

    loop = promise__loop_arg(loop, __func__);
    if (!promise__event_host(loop))
        promise__stop("%s: expected a loop of promise_loop_new, got one of promise_loop_new_hosted", __func__);
    if (promise_is_rejection(input)) return promise__settled(loop, input);
    if (!promise_is_void(input) && !promise_is(input, &promise_type_string) && !promise_is(input, &promise_type_bytes))
        why = promise__bad_argument(__func__, "input is neither a string nor bytes");
    if (promise_is_void(why)) return command(loop, &o, &with, input, o.argv && o.argv[0] ? o.argv[0] : "");
    promise__release(input);
    return promise__settled(loop, why);
}

promise_t *promise_command(promise_loop_t *loop, const char *const *argv) {
    return promise_command_with(loop, &(struct promise_child_options){.argv = argv}, NULL);
}
