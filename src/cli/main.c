/*
 * main.c - the `headroom` command, which is also `kubectl headroom`: reads its line, runs one
 * command, prints.
 *
 * Knows the commands' names. Refuses to know how they find their answers.
 */
#include <headroom/timestamp.h>
#include <headroom/version.h>

#include "cli.h"
#include "commands.h"

enum { FLAG_COUNT = 8, OPERANDS_MAX = 2, OUTPUT_MAX = 256 << 20 };

struct raw {
    struct slice output, timeout;
    bool help;
};

static void fill_flags(struct cli *cli, struct raw *raw, struct flag flags[FLAG_COUNT])
{
    const struct flag table[FLAG_COUNT] = {
        { "url", 0, FLAG_TEXT, "URL", "HEADROOM_URL", "",
          "ask a controller's page there, e.g. http://127.0.0.1:8080;\n"
          "else the Kubernetes API is asked",
          &cli->url },
        { "kubeconfig", 0, FLAG_TEXT, "FILE", NULL, "",
          "how to reach the cluster; else $KUBECONFIG or\n~/.kube/config", &cli->run.kubeconfig },
        { "context", 0, FLAG_TEXT, "NAME", NULL, "",
          "context of the kubeconfig; else its current one", &cli->run.context },
        { "namespace", 'n', FLAG_TEXT, "NAME", NULL, "headroom-system", "where the controller runs",
          &cli->run.namespace },
        { "cluster-name", 0, FLAG_TEXT, "NAME", "CLUSTER_NAME", "", "name of the EKS cluster",
          &cli->run.cluster_name },
        { "output", 'o', FLAG_TEXT, "FORMAT", NULL, "text", "text, json or yaml", &raw->output },
        { "timeout", 0, FLAG_TEXT, "DURATION", NULL, "30s", "how long to wait for answers",
          &raw->timeout },
        { "help", 'h', FLAG_BOOL, NULL, NULL, "false", "print this help and exit", &raw->help },
    };

    memcpy(flags, table, sizeof(table));
}

static void add_usage(struct cli *cli)
{
    struct raw raw = { 0 };
    struct flag flags[FLAG_COUNT];

    fill_flags(cli, &raw, flags);
    buf_add_text(
        &cli->out,
        "headroom shows how much IP headroom the nodes of a cluster have, and why.\n"
        "\n"
        "Usage: headroom COMMAND [flags], or kubectl headroom COMMAND [flags]\n"
        "\n"
        "Commands:\n"
        "  status          pools, subnets, what is low, which nodes need care\n"
        "  forecast        when each subnet runs out, the soonest first\n"
        "  events          what the controller did and saw, the newest last\n"
        "  explain NODE    what was decided for a node, and from which facts; without\n"
        "                  --url the plan is made here, read-only, with your AWS credentials\n"
        "  doctor          look for what keeps Headroom from working, and how to mend it\n"
        "  simulate FILE   play a scenario in virtual time: agents alone, with Headroom, oracle;\n"
        "                  simulate --help lists its flags\n"
        "  version         print the version\n"
        "  help            print this help\n"
        "\n"
        "Flags:\n");
    flags_help(flags, FLAG_COUNT, &cli->out);
    buf_add_text(&cli->out,
                 "\nExit codes: 0 done, 1 failed or doctor found something, 2 wrong usage.\n");
}

static enum err read_flags(const struct raw *raw, struct cli *cli, struct error *error)
{
    static const char *const formats[] = { "text", "json", "yaml" };

    while (cli->format <= CLI_YAML && !slice_is(raw->output, formats[cli->format])) {
        cli->format++;
    }
    if (cli->format > CLI_YAML) {
        return error_set(error, ERR_INVALID, "--output takes text, json or yaml, not \"%.*s\"",
                         SLICE_ARG(raw->output));
    }
    if (duration_parse(raw->timeout, &cli->timeout_ns) != ERR_OK || cli->timeout_ns == 0) {
        return error_set(error, ERR_INVALID,
                         "--timeout takes a duration such as 30s or 2m, not \"%.*s\"",
                         SLICE_ARG(raw->timeout));
    }
    return ERR_OK;
}

/* ERR_INVALID: wrong usage. */
static enum err dispatch(struct cli *cli, const struct slice *operands, size_t count,
                         bool *ret_usage, struct error *error)
{
    struct slice command = operands[0];
    bool explain = slice_is(command, "explain");

    *ret_usage = true;
    if (count != (explain ? 2 : 1)) {
        return error_set(error, ERR_INVALID,
                         explain ? "explain takes the name of one node"
                                 : "%.*s takes no argument; see headroom help",
                         SLICE_ARG(command));
    }
    *ret_usage = false;
    if (explain) {
        return cli_explain(cli, operands[1], error);
    }
    if (slice_is(command, "status")) {
        return cli_status(cli, error);
    }
    if (slice_is(command, "forecast")) {
        return cli_forecast(cli, error);
    }
    if (slice_is(command, "events")) {
        return cli_events(cli, error);
    }
    if (slice_is(command, "doctor")) {
        return cli_doctor(cli, error);
    }
    if (slice_is(command, "snapshot")) {
        return cli_snapshot(cli, error);
    }
    *ret_usage = true;
    return error_set(error, ERR_INVALID,
                     "unknown command \"%.*s\": use status, forecast, events, explain, doctor, "
                     "simulate, version or help",
                     SLICE_ARG(command));
}

static int finish(struct cli *cli, enum err err, int failure, struct error *error)
{
    int code = err == ERR_OK ? CLI_OK : failure;

    if (err == ERR_OK && buf_check(&cli->out, error) == ERR_OK) {
        err = io_write(1, buf_slice(&cli->out), error);
        code = err == ERR_OK ? CLI_OK : CLI_FAILED;
    }
    if (code != CLI_OK) {
        buf_reset(&cli->out);
        buf_addf(&cli->out, "headroom: %s\n", error->text);
        if (io_write(2, buf_slice(&cli->out), NULL) != ERR_OK) {
            code = CLI_FAILED;
        }
    }
    return code == CLI_OK && cli->findings > 0 ? CLI_FAILED : code;
}

static int run(struct cli *cli, int argc, char *const *argv, struct error *error)
{
    struct slice operands[OPERANDS_MAX];
    size_t count = 0;
    struct raw raw = { 0 };
    struct flag flags[FLAG_COUNT];
    bool usage = false;

    fill_flags(cli, &raw, flags);
    enum err err = flags_parse(flags, FLAG_COUNT, argc, argv, io_env, operands, OPERANDS_MAX,
                               &count, error);
    if (err == ERR_OK) {
        err = read_flags(&raw, cli, error);
    }
    if (err != ERR_OK) {
        return finish(cli, err, CLI_USAGE, error);
    }
    if (raw.help || count == 0 || slice_is(operands[0], "help")) {
        add_usage(cli);
        return finish(cli, ERR_OK, CLI_USAGE, error);
    }
    if (slice_is(operands[0], "version")) {
        buf_addf(&cli->out, "%s\n", version_text());
        return finish(cli, ERR_OK, CLI_FAILED, error);
    }
    cli->run.read_only = true;
    err = io_new(&cli->io, error);
    if (err == ERR_OK) {
        err = dispatch(cli, operands, count, &usage, error);
    }
    return finish(cli, err, usage ? CLI_USAGE : CLI_FAILED, error);
}

int main(int argc, char **argv)
{
    struct cli cli = { 0 };
    struct error error = { 0 };

    if (argc > 1 && slice_is(slice_of(argv[1]), "simulate")) {
        return cli_simulate(argc - 1, argv + 1); /* its flags are its own */
    }
    arena_init(&cli.arena);
    buf_init(&cli.out, OUTPUT_MAX);
    int code = run(&cli, argc, argv, &error);
    io_free(cli.io);
    buf_done(&cli.out);
    arena_done(&cli.arena);
    return code;
}
