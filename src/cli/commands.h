/* commands.h - the subcommands of `headroom`. argv[0] is the subcommand's name; the result is the
 * process's exit status. */
#ifndef CLI_COMMANDS_H
#define CLI_COMMANDS_H

/* 0: played; 1: played, and an invariant was broken; 2: the scenario or a flag is wrong. */
int cli_simulate(int argc, char *const *argv);

#endif
