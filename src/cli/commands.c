/*
 * commands.c - the tables of commands and of their flags.
 *
 * Knows their names and what users need to know of them. Refuses to know how they work.
 */
#include "commands.h"

static enum err status(struct cli *cli, struct slice operand, struct error *error)
{
    (void)operand;
    return cli->watch ? cli_watch(cli, cli_status, error) : cli_status(cli, error);
}

static enum err forecast(struct cli *cli, struct slice operand, struct error *error)
{
    (void)operand;
    return cli->watch ? cli_watch(cli, cli_forecast, error) : cli_forecast(cli, error);
}

static enum err events(struct cli *cli, struct slice operand, struct error *error)
{
    (void)operand;
    return cli_events(cli, error);
}

static enum err doctor(struct cli *cli, struct slice operand, struct error *error)
{
    (void)operand;
    return cli_doctor(cli, error);
}

static enum err snapshot(struct cli *cli, struct slice operand, struct error *error)
{
    (void)operand;
    return cli_snapshot(cli, error);
}

const struct command cli_commands[] = {
    { "status", OPERAND_NONE, false, NULL, "pools, subnets, what is low, which nodes need care",
      "Shows each SubnetPool with its conditions that are amiss and its subnets: how\n"
      "many addresses are free, and when they run out. Nodes that need care follow,\n"
      "if the leading controller can be reached: through the API server by itself, or\n"
      "with --url.\n",
      "headroom status\nheadroom status --watch\nheadroom status -o json\n", status },
    { "forecast", OPERAND_NONE, false, NULL, "when each subnet runs out, and what would help",
      "Orders the subnets of all pools by the time that their free addresses will\n"
      "last at the present rate. Then says for each zone that runs short, and for the\n"
      "limits that nodes have hit, what would help: a subnet (how large), less kept in\n"
      "reserve, a block for prefixes, larger nodes; or that there is nothing to do.\n",
      "headroom forecast\nheadroom forecast -o yaml\n", forecast },
    { "events", OPERAND_NONE, false, NULL, "what the controller did and saw, the newest last",
      "Lists the controller's events on pools and nodes, as far as the cluster still\n"
      "has them (an hour, by default), or, with --url, those of this controller.\n",
      "headroom events\nheadroom events -o json\n", events },
    { "explain", OPERAND_NODE, false, "NODE|NAMESPACE/POD",
      "what was decided for a node, or a pod's node, and from which facts",
      "Says what Headroom decided for the node, in one sentence with its numbers, and\n"
      "the facts that it rests on. The leading controller is asked through the API\n"
      "server. Where it cannot be reached, does not show the node, or with --here, the\n"
      "plan is made on this machine, read-only, with your AWS credentials.\n",
      "headroom explain ip-10-0-0-7.us-west-2.compute.internal\n"
      "headroom explain shop/cart-5d9c7\nheadroom explain node-1 --here -o json\n",
      cli_explain },
    { "doctor", OPERAND_NONE, false, NULL,
      "look for what keeps Headroom from working, and how to mend it",
      "Examines the CRD, the service account's rights, who leads, the settings of\n"
      "aws-node, every pool, and with your AWS credentials the rights in EC2, by dry\n"
      "runs. Names each finding and says how to mend it. Changes nothing. Exit code 1\n"
      "if there is anything to mend.\n",
      "headroom doctor\nheadroom doctor -o json\n"
      "AWS_PROFILE=headroom-controller headroom doctor\n",
      doctor },
    { "snapshot", OPERAND_NONE, false, NULL, "the cluster as a scenario for simulate",
      "Writes subnets, ENIs, nodes, counts of pods, pools and the agent's settings to\n"
      "standard output, as a scenario that simulate plays. Reads only; holds names and\n"
      "counts, no credentials.\n",
      "headroom snapshot > cluster.yaml\n", snapshot },
    { "simulate", OPERAND_FILE, false, "FILE",
      "play a scenario in virtual time: agents alone, with Headroom, oracle",
      "Plays a scenario three times: the nodes' agents alone, with Headroom, and with an\n"
      "oracle that knows the future. Shows how long pods waited for an address, how\n"
      "much of it was avoidable, and what it cost. Needs no cluster. The format is in\n"
      "docs/simulator.md; snapshot writes one. FILE may be - for standard input.\n",
      "headroom simulate cluster.yaml\nheadroom simulate cluster.yaml --html report.html\n"
      "headroom snapshot | headroom simulate -\n",
      NULL },
    { "completion", OPERAND_SHELL, false, "SHELL", "completion for bash, zsh or fish",
      "Prints a script for the shell to source. As a kubectl plugin, completion comes\n"
      "from kubectl_complete-headroom on PATH, which make install links.\n",
      "source <(headroom completion bash)\nheadroom completion zsh > ~/.zfunc/_headroom\n"
      "headroom completion fish > ~/.config/fish/completions/headroom.fish\n",
      cli_completion },
    { "man", OPERAND_NONE, false, NULL, "print the manual page", "Prints headroom(1) for man.\n",
      "headroom man > headroom.1\n", NULL },
    { "version", OPERAND_NONE, false, NULL, "print the version", "Prints the version.\n",
      "headroom version\n", NULL },
    { "help", OPERAND_COMMAND, true, "COMMAND", "print this help, or a command's",
      "Prints this help, or a command's.\n", "headroom help explain\n", NULL },
};

const size_t cli_command_count = sizeof(cli_commands) / sizeof(cli_commands[0]);

const struct command *cli_command(struct slice name)
{
    for (size_t i = 0; i < cli_command_count; i++) {
        if (slice_is(name, cli_commands[i].name)) {
            return &cli_commands[i];
        }
    }
    return NULL;
}

void cli_flags(struct cli *cli, struct cli_raw *raw, struct flag flags[CLI_FLAGS])
{
    const struct flag table[CLI_FLAGS] = {
        { "url", 0, FLAG_TEXT, "URL", "HEADROOM_URL", "",
          "ask a controller's page there, e.g. http://127.0.0.1:8080;\n"
          "else the Kubernetes API is asked",
          &cli->url },
        { "here", 0, FLAG_BOOL, NULL, NULL, "false",
          "explain: make the plan on this machine, read-only", &cli->here },
        { "kubeconfig", 0, FLAG_TEXT, "FILE", NULL, "",
          "how to reach the cluster; else $KUBECONFIG or\n~/.kube/config", &cli->run.kubeconfig },
        { "context", 0, FLAG_TEXT, "NAME", NULL, "",
          "context of the kubeconfig; else its current one", &cli->run.context },
        { "namespace", 'n', FLAG_TEXT, "NAME", NULL, "headroom-system", "where the controller runs",
          &cli->run.namespace },
        { "cluster-name", 0, FLAG_TEXT, "NAME", "CLUSTER_NAME", "", "name of the EKS cluster",
          &cli->run.cluster_name },
        { "output", 'o', FLAG_TEXT, "FORMAT", NULL, "text", "text, json or yaml", &raw->output },
        { "watch", 'w', FLAG_BOOL, NULL, NULL, "false", "status, forecast: show it again and again",
          &cli->watch },
        { "interval", 0, FLAG_TEXT, "DURATION", NULL, "2s", "between two of them", &raw->interval },
        { "timeout", 0, FLAG_TEXT, "DURATION", NULL, "30s", "how long to wait for answers",
          &raw->timeout },
        { "help", 'h', FLAG_BOOL, NULL, NULL, "false", "print this help and exit", &raw->help },
    };

    memcpy(flags, table, sizeof(table));
}
