/*
 * main.c - ec2sim: an EC2 endpoint, IMDSv2 and a control door on one port, from a scenario.
 *
 * Knows options and files, and which path goes where. What EC2 does is in src/sim/ec2; what nodes
 * do is in nodes.c.
 */
#include <errno.h>
#include <getopt.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <headroom/io.h>
#include <headroom/version.h>

#include "nodes.h"
#include "server.h"

enum { SCENARIO_MAX = 4 * 1024 * 1024 };

struct options {
    const char *scenario, *listen, *port_file, *log_file, *kubeconfig, *who;
    uint64_t seed;
    bool print_env;
};

struct ec2sim {
    struct sim_ec2 *ec2;
    struct nodes *nodes;
    struct server *server;
    pthread_mutex_t lock; /* of ec2 */
    FILE *log;
    uint64_t logged; /* id of the last request that has been written */
};

static struct server *stopping; /* for the signal handler; set once, before the handler is */

static void usage(FILE *to)
{
    (void)fputs(
        "usage: ec2sim --scenario FILE [options]\n"
        "\n"
        "An EC2 endpoint that behaves like EC2, its metadata service, and a control door, on one "
        "port.\n"
        "\n"
        "  --scenario FILE     what there is: subnets, instances, quotas (hack/ec2sim/README.md)\n"
        "  --listen ADDR:PORT  default 127.0.0.1:0, which takes any free port\n"
        "  --port-file FILE    write the port there once it answers\n"
        "  --seed N            of everything random; default 1\n"
        "  --log FILE          a line of JSON for each request; \"-\" is standard output\n"
        "  --print-env[=WHO]   print the shell's export lines for the SDKs and the controller\n"
        "  --kubeconfig FILE   play the instances as Kubernetes nodes there\n",
        to);
}

/* ---- what is asked ---- */

static void write_log(struct ec2sim *sim, struct arena *arena)
{
    uint64_t last = sim->logged;

    if (!sim->log) {
        return;
    }
    struct slice lines = sim_ec2_requests(sim->ec2, arena, sim->logged, UINT32_MAX, &last);
    if (lines.len > 0) {
        (void)fwrite(lines.data, 1, lines.len, sim->log);
        (void)fflush(sim->log);
    }
    sim->logged = last;
}

static void answer_nodes(struct ec2sim *sim, struct arena *arena, struct sim_http_response *ret)
{
    struct buf out;

    buf_init(&out, 64 * 1024 * 1024);
    if (sim->nodes) {
        nodes_describe(sim->nodes, &out);
    } else {
        buf_add_text(&out, "{\"error\":\"ec2sim was started without --kubeconfig\"}");
    }
    *ret = (struct sim_http_response){
        .status = sim->nodes ? 200 : 404,
        .content_type = SLICE("application/json"),
        .body = arena_slice(arena, buf_slice(&out)),
        .cut_after = SIZE_MAX,
    };
    buf_done(&out);
}

static void answer(void *context, struct arena *arena, const struct sim_http_request *request,
                   struct sim_http_response *ret)
{
    struct ec2sim *sim = context;

    if (slice_is(request->path, "/_sim/nodes")) {
        answer_nodes(sim, arena, ret);
        return;
    }
    (void)pthread_mutex_lock(&sim->lock);
    uint64_t now_ns = io_now_ns(), wall_ns = io_wall_ns();
    if (slice_starts(request->path, SLICE("/_sim/"))) {
        sim_ec2_control(sim->ec2, arena, now_ns, wall_ns, request, ret);
    } else if (slice_starts(request->path, SLICE("/imds/"))) {
        sim_ec2_imds(sim->ec2, arena, now_ns, wall_ns, request, ret);
    } else if (slice_is(request->path, "/")) {
        sim_ec2_http(sim->ec2, arena, now_ns, wall_ns, request, ret);
        write_log(sim, arena);
    } else {
        *ret = (struct sim_http_response){
            .status = 404,
            .content_type = SLICE("text/plain"),
            .body = SLICE("ec2sim answers /, /imds/INSTANCE/ and /_sim/\n"),
            .cut_after = SIZE_MAX,
        };
    }
    (void)pthread_mutex_unlock(&sim->lock);
}

static bool held(void *context, uint64_t hold)
{
    struct ec2sim *sim = context;

    (void)pthread_mutex_lock(&sim->lock);
    bool is_held = sim_ec2_held(sim->ec2, hold);
    (void)pthread_mutex_unlock(&sim->lock);
    return is_held;
}

/* ---- start and stop ---- */

static void on_signal(int number)
{
    (void)number;
    server_stop(stopping);
}

static void on_nodes_stop(void *context)
{
    (void)context;
    server_stop(stopping);
}

static bool parse_options(int argc, char **argv, struct options *ret)
{
    static const struct option long_options[] = {
        { "scenario", required_argument, NULL, 's' },
        { "listen", required_argument, NULL, 'l' },
        { "port-file", required_argument, NULL, 'p' },
        { "seed", required_argument, NULL, 'r' },
        { "log", required_argument, NULL, 'o' },
        { "print-env", optional_argument, NULL, 'e' },
        { "kubeconfig", required_argument, NULL, 'k' },
        { "help", no_argument, NULL, 'h' },
        { "version", no_argument, NULL, 'v' },
        { 0 },
    };
    int option = 0;

    *ret = (struct options){ .listen = "127.0.0.1:0", .seed = 1, .who = "" };
    while ((option = getopt_long(argc, argv, "h", long_options, NULL)) != -1) {
        switch (option) {
        case 's':
            ret->scenario = optarg;
            break;
        case 'l':
            ret->listen = optarg;
            break;
        case 'p':
            ret->port_file = optarg;
            break;
        case 'r':
            if (slice_u64(slice_of(optarg), UINT64_MAX, &ret->seed) != ERR_OK) {
                (void)fprintf(stderr, "ec2sim: --seed wants a number, not %s\n", optarg);
                return false;
            }
            break;
        case 'o':
            ret->log_file = optarg;
            break;
        case 'e':
            ret->print_env = true;
            ret->who = optarg ? optarg : "";
            break;
        case 'k':
            ret->kubeconfig = optarg;
            break;
        case 'h':
            usage(stdout);
            exit(0);
        case 'v':
            (void)printf("ec2sim %s\n", version_text());
            exit(0);
        default:
            usage(stderr);
            return false;
        }
    }
    if (!ret->scenario || optind < argc) {
        usage(stderr);
        return false;
    }
    return true;
}

static enum err listen_at(struct ec2sim *sim, const char *listen, struct error *error)
{
    struct slice port = slice_of(listen);
    struct slice host = slice_cut(&port, ':');
    char address[64];
    uint64_t number = 0;

    if (slice_copy(host, address, sizeof(address)) != ERR_OK || host.len == 0 ||
        slice_u64(port, UINT16_MAX, &number) != ERR_OK) {
        return error_set(error, ERR_INVALID, "--listen wants ADDRESS:PORT, not %s", listen);
    }
    struct server_config config = {
        .address = address,
        .port = (uint16_t)number,
        .answer = answer,
        .held = held,
        .context = sim,
    };
    return server_new(&config, &sim->server, error);
}

/* Beside and renamed: who waits for the file never reads half a number. */
static enum err write_port(const char *path, uint16_t port, struct error *error)
{
    char beside[512];

    int len = snprintf(beside, sizeof(beside), "%s.new", path);
    FILE *file = len > 0 && (size_t)len < sizeof(beside) ? fopen(beside, "w") : NULL;
    if (!file) {
        return error_set(error, ERR_IO, "cannot write %s: %s", path, strerror(errno));
    }
    (void)fprintf(file, "%u\n", port);
    if (fclose(file) != 0 || rename(beside, path) != 0) {
        return error_set(error, ERR_IO, "cannot write %s: %s", path, strerror(errno));
    }
    return ERR_OK;
}

static enum err announce(struct ec2sim *sim, const struct options *options, struct arena *arena,
                         struct error *error)
{
    uint16_t port = server_port(sim->server);
    struct slice rest = slice_of(options->listen);
    struct slice host = slice_cut(&rest, ':');
    struct slice endpoint = arena_printf(arena, "http://%.*s:%u", SLICE_ARG(host), port);

    if (options->print_env) {
        struct slice env = sim_ec2_environment(sim->ec2, arena, endpoint, slice_of(options->who));
        if (env.len == 0) {
            return error_set(error, ERR_NOT_FOUND, "the scenario has no identity %s", options->who);
        }
        (void)printf("%.*s", SLICE_ARG(env));
    } else {
        (void)printf("ec2sim answers on %.*s\n", SLICE_ARG(endpoint));
    }
    (void)fflush(stdout);
    return options->port_file ? write_port(options->port_file, port, error) : ERR_OK;
}

static enum err open_log(struct ec2sim *sim, const char *path, struct error *error)
{
    if (!path) {
        return ERR_OK;
    }
    sim->log = strcmp(path, "-") == 0 ? stdout : fopen(path, "a");
    return sim->log ? ERR_OK
                    : error_set(error, ERR_IO, "cannot write %s: %s", path, strerror(errno));
}

static enum err start_nodes(struct ec2sim *sim, const struct options *options,
                            struct slice scenario, struct error *error)
{
    struct nodes_config config = {
        .scenario = scenario,
        .scenario_name = slice_of(options->scenario),
        .kubeconfig = options->kubeconfig,
        .ec2 = sim->ec2,
        .lock = &sim->lock,
        .seed = options->seed,
        .on_stop = on_nodes_stop,
    };

    return options->kubeconfig ? nodes_start(&config, &sim->nodes, error) : ERR_OK;
}

static void catch_signals(struct ec2sim *sim)
{
    struct sigaction action = { .sa_handler = on_signal };

    stopping = sim->server;
    (void)sigaction(SIGTERM, &action, NULL);
    (void)sigaction(SIGINT, &action, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
}

static enum err start(struct ec2sim *sim, const struct options *options, struct arena *arena,
                      struct error *error)
{
    struct slice scenario = { 0 };

    enum err err = io_read_file(arena, options->scenario, SCENARIO_MAX, &scenario, error);
    if (err == ERR_OK) {
        err = sim_ec2_new(scenario, options->seed, io_now_ns(), io_wall_ns(), &sim->ec2, error);
    }
    if (err == ERR_OK) {
        err = open_log(sim, options->log_file, error);
    }
    if (err == ERR_OK) {
        err = listen_at(sim, options->listen, error);
    }
    if (err == ERR_OK) {
        catch_signals(sim);
        err = start_nodes(sim, options, scenario, error);
    }
    return err == ERR_OK ? announce(sim, options, arena, error) : err;
}

int main(int argc, char **argv)
{
    struct ec2sim sim = { 0 };
    struct options options;
    struct arena arena;
    struct error error = { 0 };

    if (!parse_options(argc, argv, &options)) {
        return 2;
    }
    arena_init(&arena);
    (void)pthread_mutex_init(&sim.lock, NULL);
    enum err err = start(&sim, &options, &arena, &error);
    if (err == ERR_OK) {
        server_run(sim.server);
    } else {
        (void)fprintf(stderr, "ec2sim: %s\n", error.text);
    }
    nodes_stop(sim.nodes);
    server_free(sim.server);
    sim_ec2_free(sim.ec2);
    if (sim.log && sim.log != stdout) {
        (void)fclose(sim.log);
    }
    (void)pthread_mutex_destroy(&sim.lock);
    arena_done(&arena);
    return err == ERR_OK ? 0 : 1;
}
