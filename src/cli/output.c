/*
 * output.c - answers for programs: JSON, or the same as YAML; and sentences for people.
 *
 * Knows --output. Refuses to know what is said.
 */
#include "cli.h"

enum { JSON_MAX = 256 << 20, NODES_MAX = 20 << 20, LINE_WIDTH = 80 };

void cli_json_begin(struct cli *cli, struct json_out *json, const char *kind)
{
    buf_init(&cli->json, JSON_MAX);
    json_start(json, &cli->json);
    json_begin_object(json);
    json_field_text(json, "apiVersion", SLICE("headroom.dev/v1alpha1"));
    json_field_text(json, "kind", slice_of(kind));
}

enum err cli_add_json(struct cli *cli, struct slice text, struct error *error)
{
    const struct doc *doc = NULL;

    if (cli->format == CLI_JSON) {
        buf_add_slice(&cli->out, slice_trim(text));
        buf_add_char(&cli->out, '\n');
        return ERR_OK;
    }
    enum err err = json_parse(&cli->arena, text,
                              &(struct doc_limits){ .bytes = JSON_MAX, .nodes = NODES_MAX }, &doc,
                              error);
    if (err == ERR_OK) {
        yaml_write(doc, 0, &cli->out);
    }
    return err;
}

enum err cli_json_end(struct cli *cli, struct json_out *json, struct error *error)
{
    json_end_object(json);
    enum err err = buf_check(&cli->json, error);
    if (err == ERR_OK) {
        err = cli_add_json(cli, buf_slice(&cli->json), error);
    }
    buf_done(&cli->json);
    return err;
}

void cli_wrap(struct slice text, uint32_t indent, struct buf *out)
{
    size_t column = 0;

    while (text.len > 0) {
        struct slice word = slice_cut(&text, ' ');
        if (column > 0 && column + 1 + word.len > LINE_WIDTH) {
            buf_addf(out, "\n%*s", (int)indent, "");
            column = indent;
        } else if (column > 0) {
            buf_add_char(out, ' ');
            column++;
        }
        buf_add_slice(out, word);
        column += word.len;
    }
    buf_add_char(out, '\n');
}
