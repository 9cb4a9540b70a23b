/*
 * options.h - the controller's command line.
 */
#ifndef HEADROOM_CONTROLLER_OPTIONS_H
#define HEADROOM_CONTROLLER_OPTIONS_H

#include <headroom/flags.h>
#include <headroom/run.h>

enum options_command { OPTIONS_RUN, OPTIONS_ONCE, OPTIONS_HELP, OPTIONS_VERSION };

struct options {
    enum options_command command;
    struct run_options run;
    struct slice listen; /* empty: no page */
    bool json;           /* --once: the plan as JSON */
    uint64_t timeout_ns; /* --once */
    enum log_level log_level;
    bool plain_logs;
};

/* ERR_INVALID: the text says what is wrong and fits after "headroom-controller: ". */
enum err options_parse(int argc, char *const *argv, flags_env_fn *env, struct options *ret,
                       struct error *error) ERR_CHECKED;
void options_help(struct buf *out);

#endif
