/*
 * watch.c - an answer again and again, and colour: only where a terminal shows it.
 *
 * Knows terminals. Refuses to know what is shown.
 */
#include <unistd.h>

#include "cli.h"

static const struct {
    const char *word;
    const char *code;
} colours[] = {
    { "Healthy", "32" },    { "Low", "33" },         { "Exhausted", "31;1" },
    { "Fragmented", "33" }, { "Unavailable", "31" }, { "MEND", "31;1" },
    { "ok", "32" },         { "skip", "36" },        { "Warning", "33" },
    { "Attaching", "36" },  { "Adopting", "36" },    { "NoHealthySubnet", "31" },
    { "AtENILimit", "31" },
};

bool cli_coloured(void)
{
    return isatty(1) && io_env("NO_COLOR").len == 0 && !slice_is(io_env("TERM"), "dumb");
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-';
}

/* Words alone, so that the columns stay where they are. */
void cli_paint(struct slice text, struct buf *out)
{
    size_t at = 0;

    while (at < text.len) {
        size_t begin = at, row = 0;
        while (at < text.len && is_letter(text.data[at])) {
            at++;
        }
        struct slice word = { text.data + begin, at - begin };
        const size_t rows = sizeof(colours) / sizeof(colours[0]);
        while (row < rows && !slice_is(word, colours[row].word)) {
            row++;
        }
        if (word.len > 0 && row < rows) {
            buf_addf(out, "\033[%sm%.*s\033[0m", colours[row].code, SLICE_ARG(word));
        } else {
            buf_add_slice(out, word);
        }
        if (at < text.len) {
            buf_add_char(out, text.data[at++]);
        }
    }
}

enum err cli_print(struct cli *cli, struct slice text, struct error *error)
{
    struct buf painted;

    if (cli->format != CLI_TEXT || !cli_coloured()) {
        return io_write(1, text, error);
    }
    buf_init(&painted, text.len * 4 + 4096);
    cli_paint(text, &painted);
    enum err err = io_write(1, buf_slice(&painted), error);
    buf_done(&painted);
    return err;
}

/* A fresh arena for each round would free what the access and the flags live in; a round of status
 * needs some kilobytes a node in need. */
enum err cli_watch(struct cli *cli, enum err (*show)(struct cli *, struct error *),
                   struct error *error)
{
    bool terminal = isatty(1);
    enum err err = ERR_OK;

    while (err == ERR_OK && io_stop_requests(cli->io) == 0) {
        uint64_t next = io_now_ns() + cli->interval_ns;
        buf_reset(&cli->out);
        err = show(cli, error);
        if (err == ERR_OK && terminal) {
            err = io_write(1, SLICE("\033[H\033[J"), error);
        }
        if (err == ERR_OK) {
            err = cli_print(cli, buf_slice(&cli->out), error);
        }
        while (err == ERR_OK && io_now_ns() < next && io_stop_requests(cli->io) == 0) {
            uint32_t count = 0;
            (void)io_wait(cli->io, next, &count);
        }
    }
    buf_reset(&cli->out);
    return err;
}
