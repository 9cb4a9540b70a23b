/*
 * cli.h - what the files of the `headroom` command share.
 *
 *   main.c --> status.c, explain.c, events.c --> source.c --> a running controller's /api/state, or
 *                                                         --> api.c --> the Kubernetes API, or
 *                                                         --> run.h: the planner itself, here and
 * read-only
 */
#ifndef HEADROOM_CLI_H
#define HEADROOM_CLI_H

#include <headroom/doc.h>
#include <headroom/flags.h>
#include <headroom/json.h>
#include <headroom/run.h>

enum { CLI_OK = 0, CLI_FAILED = 1, CLI_USAGE = 2 };

enum cli_format { CLI_TEXT, CLI_JSON, CLI_YAML };

struct cli {
    struct arena arena; /* of the whole command */
    struct io *io;
    struct run_options run;
    struct slice url; /* of a controller; empty: the Kubernetes API */
    enum cli_format format;
    bool watch, here;
    uint64_t interval_ns; /* between two rounds of --watch */
    uint64_t timeout_ns;
    struct buf out;                /* what goes to standard output at the end */
    struct buf json;               /* of cli_json_begin */
    struct cli_identity *identity; /* towards the API server; NULL: not found out yet */
    uint32_t findings;             /* of doctor: any makes the exit code CLI_FAILED */
};

/* ---- where facts come from (source.c, api.c) ---- */

/* A GET of a URL that needs no identity, or, with `access`, of a path of the API server. The
 * whole body, in the arena.
 * ERR_NOT_FOUND, ERR_DENIED by status. */
enum err cli_get(struct cli *cli, const struct kube_access *access, struct slice target,
                 struct slice *ret, struct error *error) ERR_CHECKED;

/* The same with a JSON body, of a path that makes nothing: reviews of rights. */
enum err cli_post(struct cli *cli, const struct kube_access *access, struct slice target,
                  struct slice body, struct slice *ret, struct error *error) ERR_CHECKED;

/* Where the cluster is, as the flags and KUBECONFIG say. */
enum err cli_access(struct cli *cli, struct kube_access *ret, struct error *error) ERR_CHECKED;

/* The state that the controller at cli->url shows; without a URL, the leading one's, through the
 * API server's proxy. The error says what to do where it cannot be reached. */
enum err cli_state(struct cli *cli, const struct doc **ret, struct slice *ret_text,
                   struct error *error) ERR_CHECKED;

/* ---- commands: an exit code; what they print goes to cli->out ---- */

enum err cli_status(struct cli *cli, struct error *error) ERR_CHECKED;
enum err cli_forecast(struct cli *cli, struct error *error) ERR_CHECKED;
enum err cli_events(struct cli *cli, struct error *error) ERR_CHECKED;
/* A node's name, or namespace/name of a pod: then its node. */
enum err cli_explain(struct cli *cli, struct slice what, struct error *error) ERR_CHECKED;
enum err cli_snapshot(struct cli *cli, struct error *error) ERR_CHECKED;
enum err cli_doctor(struct cli *cli, struct error *error) ERR_CHECKED;

/* ---- what goes out (output.c, watch.c) ---- */

/* To standard output, with colour if that is a terminal. */
enum err cli_print(struct cli *cli, struct slice text, struct error *error) ERR_CHECKED;
/* What `show` writes to cli->out, each interval_ns, until a signal. */
enum err cli_watch(struct cli *cli, enum err (*show)(struct cli *, struct error *),
                   struct error *error) ERR_CHECKED;
bool cli_coloured(void);
void cli_paint(struct slice text, struct buf *out);

/* {apiVersion, kind, ... }: goes to cli->out as --output asks, JSON or YAML. */
void cli_json_begin(struct cli *cli, struct json_out *json, const char *kind);
enum err cli_json_end(struct cli *cli, struct json_out *json, struct error *error) ERR_CHECKED;
/* A JSON text that is there already. */
enum err cli_add_json(struct cli *cli, struct slice text, struct error *error) ERR_CHECKED;

/* Words on lines of at most 80 columns; those after the first are indented. */
void cli_wrap(struct slice text, uint32_t indent, struct buf *out);

/* "3m", "2h5m", "41s". */
struct slice cli_duration(struct arena *arena, uint64_t seconds);

#endif
