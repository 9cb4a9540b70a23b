/*
 * exec.c - programs under way: credential plugins and credential processes.
 *
 * Knows pipes, pidfds and how a child's end is told. Refuses to know what the output means. No
 * shell is involved; standard input is empty; a child that outlives its time is killed with its
 * process group and reaped, always.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "state.h"

static char **build_args(struct arena *arena, const struct fetch *fetch)
{
    char **args = ARENA_ARRAY(arena, char *, fetch->arg_count + 2);

    args[0] = (char *)arena_slice(arena, fetch->target).data;
    for (size_t i = 0; i < fetch->arg_count; i++) {
        args[i + 1] = (char *)arena_slice(arena, fetch->args[i]).data;
    }
    return args;
}

static bool overridden(const char *line, const struct fetch *fetch)
{
    struct slice value = slice_of(line);
    struct slice name = slice_cut(&value, '=');

    for (size_t i = 0; i < fetch->env_count; i++) {
        if (slice_eq(name, fetch->env[i].name)) {
            return true;
        }
    }
    return false;
}

static char **build_env(struct arena *arena, const struct fetch *fetch)
{
    size_t count = 0, at = 0;

    while (environ[count]) {
        count++;
    }
    char **env = ARENA_ARRAY(arena, char *, count + fetch->env_count + 1);
    for (size_t i = 0; i < count; i++) {
        if (!overridden(environ[i], fetch)) {
            env[at++] = environ[i];
        }
    }
    for (size_t i = 0; i < fetch->env_count; i++) {
        const struct fetch_header *pair = &fetch->env[i];
        env[at++] = (char *)arena_printf(arena, "%.*s=%.*s", SLICE_ARG(pair->name),
                                         SLICE_ARG(pair->value))
                        .data;
    }
    return env;
}

/* A child sees its three standard files and nothing of ours, and no blocked signal. */
static int spawn(pid_t *ret_pid, char **args, char **env, int out, int err)
{
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    sigset_t none, pipe_only;

    (void)sigemptyset(&none);
    (void)sigemptyset(&pipe_only);
    (void)sigaddset(&pipe_only, SIGPIPE);
    (void)posix_spawn_file_actions_init(&files);
    (void)posix_spawnattr_init(&attributes);
    int result = posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    result = result ? result : posix_spawn_file_actions_adddup2(&files, out, STDOUT_FILENO);
    result = result ? result : posix_spawn_file_actions_adddup2(&files, err, STDERR_FILENO);
    result = result ? result : posix_spawn_file_actions_addclosefrom_np(&files, 3);
    (void)posix_spawnattr_setsigmask(&attributes, &none);
    (void)posix_spawnattr_setsigdefault(&attributes, &pipe_only);
    (void)posix_spawnattr_setpgroup(&attributes, 0);
    (void)posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
                                                    POSIX_SPAWN_SETPGROUP);
    result = result ? result : posix_spawnp(ret_pid, args[0], &files, &attributes, args, env);
    (void)posix_spawnattr_destroy(&attributes);
    (void)posix_spawn_file_actions_destroy(&files);
    return result;
}

static void child_free(struct io *io, struct child *child)
{
    if (child->prev) {
        child->prev->next = child->next;
    } else {
        io->children = child->next;
    }
    if (child->next) {
        child->next->prev = child->prev;
    }
    close_fd(&child->out);
    close_fd(&child->err);
    close_fd(&child->pidfd);
    buf_done(&child->output);
    arena_done(&child->arena);
    mem_free(child);
}

static enum err launch(struct child *child, const struct fetch *fetch, struct error *error)
{
    char **args = build_args(&child->arena, fetch);
    char **env = build_env(&child->arena, fetch);
    int out[2] = { -1, -1 }, err[2] = { -1, -1 };
    int result = 0;

    if (pipe2(out, O_CLOEXEC) < 0 || pipe2(err, O_CLOEXEC) < 0) {
        result = errno;
    } else {
        result = spawn(&child->pid, args, env, out[1], err[1]);
    }
    close_fd(&out[1]);
    close_fd(&err[1]);
    child->out = out[0];
    child->err = err[0];
    if (result == 0) {
        (void)fcntl(child->out, F_SETFL, O_NONBLOCK);
        (void)fcntl(child->err, F_SETFL, O_NONBLOCK);
        child->pidfd = pidfd_open(child->pid, 0);
        return ERR_OK;
    }
    child->pid = 0;
    if (result == ENOENT) {
        return error_set(error, ERR_NOT_FOUND, "cannot run %s: it is not on PATH", args[0]);
    }
    return error_set(error, result == EACCES ? ERR_DENIED : ERR_IO, "cannot run %s: %s", args[0],
                     strerror(result));
}

void exec_start(struct io *io, const struct fetch *fetch)
{
    struct child *child = mem_resize(NULL, 1, sizeof(*child));
    struct error error = { 0 };

    *child = (struct child){
        .id = fetch->id,
        .next = io->children,
        .out = -1,
        .err = -1,
        .pidfd = -1,
        .total_ms = fetch->total_ms ? fetch->total_ms : EXEC_TOTAL_MS,
    };
    arena_init(&child->arena);
    child->program = arena_slice(&child->arena, fetch->target);
    buf_init(&child->output, fetch->response_max ? fetch->response_max : EXEC_OUTPUT_MAX);
    child->deadline_ns = io_now_ns() + child->total_ms * MS_NS;
    if (io->children) {
        io->children->prev = child;
    }
    io->children = child;
    if (launch(child, fetch, &error) != ERR_OK) {
        round_end(io, child->id, &error);
        child_free(io, child);
        return;
    }
    io_watch(io, child->out);
    io_watch(io, child->err);
    io_watch(io, child->pidfd);
}

static void kill_group(const struct child *child)
{
    (void)kill(-child->pid, SIGKILL);
}

bool exec_cancel(struct io *io, uint64_t id)
{
    for (struct child *child = io->children; child; child = child->next) {
        if (child->id == id && !child->ended) {
            kill_group(child);
            child->ended = true;
            return true;
        }
    }
    return false;
}

/* The first line with something in it; control characters have no place in a log. */
static void keep_line(struct child *child, const char *data, size_t len)
{
    for (size_t i = 0; i < len && !child->line_done; i++) {
        char c = data[i];
        if (c == '\n') {
            child->line_done = child->line_len > 0;
        } else if (child->line_len == sizeof(child->line) - 1) {
            child->line_done = true;
        } else if ((unsigned char)c >= 0x20 && (c != ' ' || child->line_len > 0)) {
            child->line[child->line_len++] = c;
        }
    }
}

/* Reads what is there; closes the descriptor at its end. */
static void drain(struct child *child, int *fd, bool is_output)
{
    enum { READS_MAX = 64 }; /* at a time: a program that never pauses must not hold up the loop */
    char piece[4096];

    for (int reads = 0; *fd >= 0 && reads < READS_MAX; reads++) {
        ssize_t got = read(*fd, piece, sizeof(piece));
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0 && errno == EAGAIN) {
            return;
        }
        if (got <= 0) {
            close_fd(fd);
        } else if (is_output) {
            buf_add(&child->output, piece, (size_t)got);
            if (child->output.failed) {
                return;
            }
        } else {
            keep_line(child, piece, (size_t)got);
        }
    }
}

/* How it ended, in words. */
static void judge(const struct child *child, int status, struct error *error)
{
    const char *line = child->line_len > 0 ? child->line : "it says nothing on standard error";

    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
        return;
    }
    if (WIFEXITED(status)) {
        (void)error_set(error, ERR_IO, "%s ended with status %d: %s", child->program.data,
                        WEXITSTATUS(status), line);
    } else {
        (void)error_set(error, ERR_IO, "%s was ended by signal %d: %s", child->program.data,
                        WIFSIGNALED(status) ? WTERMSIG(status) : 0, line);
    }
}

static void finish(struct io *io, struct child *child, const struct error *error)
{
    if (child->output.len > 0 && error->code == ERR_OK) {
        struct slice copy = arena_slice(&round_filling(io)->arena, buf_slice(&child->output));
        round_add(io, child->id, FETCH_BODY)->body = copy;
    }
    round_end(io, child->id, error);
    child->ended = true;
}

static void stop_early(struct io *io, struct child *child, uint64_t now_ns)
{
    struct error error = { 0 };

    if (child->output.failed) {
        (void)error_set(&error, ERR_LIMIT, "%s printed more than %zu bytes", child->program.data,
                        child->output.max);
    } else if (child->deadline_ns <= now_ns) {
        (void)error_set(&error, ERR_TIMEOUT, "%s did not end within %u.%03u s", child->program.data,
                        child->total_ms / 1000, child->total_ms % 1000);
    }
    if (error.code != ERR_OK) {
        kill_group(child);
        finish(io, child, &error);
    }
}

static void collect(struct io *io, struct child *child, uint64_t now_ns)
{
    struct error error = { 0 };
    int status = 0;
    pid_t done = waitpid(child->pid, &status, WNOHANG);

    drain(child, &child->out, true);
    drain(child, &child->err, false);
    if (!child->ended) {
        stop_early(io, child, now_ns);
    }
    if (done == 0) {
        return;
    }
    if (!child->ended) {
        if (done < 0) {
            (void)error_set(&error, ERR_IO, "%s got lost: %s", child->program.data,
                            strerror(errno));
        } else {
            judge(child, status, &error);
        }
        finish(io, child, &error);
    }
    child_free(io, child);
}

void exec_collect(struct io *io, uint64_t now_ns)
{
    struct child *next = NULL;

    for (struct child *child = io->children; child; child = next) {
        next = child->next;
        collect(io, child, now_ns);
    }
}

uint64_t exec_deadline_ns(const struct io *io)
{
    uint64_t earliest = NEVER_NS;

    for (const struct child *child = io->children; child; child = child->next) {
        if (!child->ended && child->deadline_ns < earliest) {
            earliest = child->deadline_ns;
        }
        if (child->pidfd < 0) {
            /* A kernel without pidfd_open (before 5.3): look again soon. */
            return io_now_ns() + 20 * MS_NS;
        }
    }
    return earliest;
}

void exec_done(struct io *io)
{
    while (io->children) {
        struct child *child = io->children;
        kill_group(child);
        while (waitpid(child->pid, NULL, 0) < 0 && errno == EINTR) {
        }
        child_free(io, child);
    }
}
