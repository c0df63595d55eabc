/*
 * runner: runs commands, some at a time, each with a limit of time, and prints the output of each as a whole.
 *
 *     runner [-j COMMANDS] [-t SECONDS] [FILE]
 *
 * FILE, or standard input, has one command for the shell on each line.
 */
#define _POSIX_C_SOURCE 200809L

#include <errno.h>
#include <promise.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST_OUTPUT = 256 << 20, KILL_AFTER_MS = 2000 };

struct runner {
    size_t jobs;       /* at a time; 0: all */
    uint64_t limit_ms; /* 0: none */
    char **lines;
    size_t count, started, ok, failed, timed_out;
    int signum; /* what has stopped it, or 0 */
};

struct job {
    struct runner *runner;
    size_t number;
    char *line;
    promise_child_t *child;
    promise_value_t output;
};

static promise_fn run, keep_output, ended, broke_off, cut, stop;
static void job_free(void *job);

static promise_t *run_all(promise_loop_t *loop, struct runner *r) {
    promise_t *work = promise_each(promise_strings(loop, r->count, r->lines), r->jobs, run, r);
    promise_t *interrupted = promise_then(promise_signal(loop, SIGINT), stop, r);
    promise_t *terminated = promise_then(promise_signal(loop, SIGTERM), stop, r);

    return promise_race_of(loop, work, interrupted, terminated, NULL); /* cancels the others */
}

/* ---- one command ---- */

static promise_value_t run(promise_value_t line, void *runner) {
    struct runner *r = runner;
    const char *const argv[] = {"sh", "-c", promise_as_string(line), NULL};
    const struct promise_child_options options = {.argv = argv,
                                                  .out = PROMISE_CHILD_PIPE,
                                                  .err = PROMISE_CHILD_STDOUT,
                                                  .new_group = true, /* all that it starts is to be stopped with it */
                                                  .kill_after_ms = KILL_AFTER_MS};
    struct job *job = calloc(1, sizeof *job);
    promise_t *p;

    if (!job) return promise_throw_errno(ENOMEM, "a command");
    job->runner = r;
    job->number = ++r->started;
    job->line = r->lines[job->number - 1];
    job->child = promise_child_spawn(NULL, &options);
    p = promise_then(promise_stream_read_all(promise_child_stdout(job->child), MOST_OUTPUT), keep_output, job);
    p = promise_all_of(NULL, promise_child_wait(job->child), p, NULL);
    if (r->limit_ms) p = promise_timeout(p, r->limit_ms);
    p = promise_then_catch(p, ended, broke_off, job);
    return promise_adopt(promise_attach(p, job, job_free));
}

static promise_value_t keep_output(promise_value_t output, void *arg) {
    struct job *job = arg;

    promise_value_set(&job->output, output);
    return promise_void();
}

/* Stops what is left of it, if it was cancelled. */
static void job_free(void *arg) {
    struct job *job = arg;

    promise_child_close(job->child);
    promise_value_clear(&job->output);
    free(job);
}

static void print(const struct job *job, const char *how) {
    size_t size = 0;
    const char *output = promise_is_void(job->output) ? "" : promise_as_bytes(job->output, &size);

    printf("[%zu] %s: %s\n", job->number, job->line, how);
    fwrite(output, 1, size, stdout);
    if (size && output[size - 1] != '\n') putchar('\n');
    fflush(stdout);
}

static promise_value_t ended(promise_value_t exit_and_output, void *arg) {
    struct job *job = arg;
    promise_value_t exit = promise_list_get(exit_and_output, 0);
    char how[64];

    if (promise_exit_status(exit) == 0) job->runner->ok++;
    else job->runner->failed++;
    promise_print(exit, how, sizeof how);
    print(job, how);
    return promise_void();
}

static promise_value_t broke_off(promise_value_t reason, void *arg) {
    struct job *job = arg;
    promise_t *rest;

    if (promise_is_canceled(reason)) return reason;
    if (!promise_is_timeout(reason)) { /* it could not be started, or wrote too much */
        job->runner->failed++;
        print(job, promise_error_message(reason));
        return promise_void();
    }
    promise_child_stop(job->child); /* and what it has started, also when it has ended itself */
    rest = promise_stream_read_all(promise_child_stdout(job->child), MOST_OUTPUT);
    rest = promise_timeout(promise_then(rest, keep_output, job), 2 * KILL_AFTER_MS);
    return promise_adopt(promise_then_catch(rest, cut, cut, job));
}

static promise_value_t cut(promise_value_t v, void *arg) {
    struct job *job = arg;

    if (promise_is_canceled(v)) return v;
    job->runner->timed_out++;
    print(job, "timed out");
    return promise_void();
}

static promise_value_t stop(promise_value_t signum, void *runner) {
    ((struct runner *)runner)->signum = (int)promise_as_int(signum);
    return promise_void();
}

/* ---- the command line ---- */

static void usage(void) {
    fputs("usage: runner [-j COMMANDS] [-t SECONDS] [FILE]\n", stderr);
    exit(2);
}

static double number(const char *text) {
    char *end;
    double n = strtod(text, &end);

    if (end == text || *end || !(n >= 0) || n > 1e9) usage();
    return n;
}

/* Those that are neither empty nor comments. */
static void read_lines(struct runner *r, FILE *file) {
    char *line = NULL;
    size_t size = 0;

    while (getline(&line, &size, file) >= 0) {
        line[strcspn(line, "\n")] = 0;
        if (line[strspn(line, " \t")] == 0 || line[strspn(line, " \t")] == '#') continue;
        r->lines = realloc(r->lines, (r->count + 1) * sizeof *r->lines);
        if (!r->lines || !(r->lines[r->count++] = strdup(line))) abort();
    }
    free(line);
}

int main(int argc, char **argv) {
    struct runner r = {.jobs = 4};
    FILE *file = stdin;
    int option, status;

    while ((option = getopt(argc, argv, "j:t:")) != -1) {
        if (option == 'j') r.jobs = (size_t)number(optarg);
        else if (option == 't') r.limit_ms = (uint64_t)(1000 * number(optarg));
        else usage();
    }
    if (argc > optind + 1) usage();
    if (argc > optind) file = fopen(argv[optind], "r");
    if (!file) {
        perror(argv[optind]);
        return 2;
    }
    read_lines(&r, file);
    fclose(file);

    promise_loop_t *loop = promise_loop_new(NULL);
    if (!loop) return 2;
    status = promise_loop_run(loop, run_all(loop, &r), NULL);
    promise_loop_run(loop, NULL, NULL); /* those that are being stopped */
    promise_loop_free(loop);
    if (r.signum) printf("stopped by %s, ", strsignal(r.signum));
    printf("%zu commands: %zu ok, %zu failed, %zu timed out\n", r.count, r.ok, r.failed, r.timed_out);
    for (size_t i = 0; i < r.count; i++) free(r.lines[i]);
    free(r.lines);
    if (r.signum) return 128 + r.signum;
    return status < 0 || r.failed || r.timed_out;
}
