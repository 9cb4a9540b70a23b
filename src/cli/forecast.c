/*
 * forecast.c - `headroom forecast`: when each subnet runs out, and what would help.
 *
 * Knows how both are laid out. Refuses to judge: how long a subnet lasts is the controller's word,
 * what would help is advice.h's.
 */
#include <headroom/table.h>

#include "advice.h"

struct line {
    const struct doc *subnet;
    struct slice pool;
    uint64_t left_s;
};

static void add_line(struct line *lines, uint32_t count, struct line line)
{
    uint32_t at = count;

    while (at > 0 && line.left_s < lines[at - 1].left_s) {
        lines[at] = lines[at - 1];
        at--;
    }
    lines[at] = line;
}

/* The soonest first. */
static struct line *find_lines(struct cli *cli, const struct pool_list *pools, uint32_t *ret_count)
{
    uint32_t count = 0;

    for (const struct doc *pool = pools->first; pool; pool = pool->next) {
        count += doc_count(doc_get(pool_list_status(pool), "subnets"));
    }
    struct line *lines = ARENA_ARRAY(&cli->arena, struct line, count);
    *ret_count = 0;
    for (const struct doc *pool = pools->first; pool; pool = pool->next) {
        for (const struct doc *subnet = doc_first(doc_get(pool_list_status(pool), "subnets"));
             subnet; subnet = subnet->next) {
            /* What EC2 refuses to give, or the pool keeps, is no better than nothing. */
            bool exhausted = slice_is(doc_text(doc_get(subnet, "state")), "Exhausted");
            uint64_t left_s = pool_list_left_s(subnet);
            add_line(lines, (*ret_count)++,
                     (struct line){ subnet, pool_list_name(pool), exhausted ? 0 : left_s });
        }
    }
    return lines;
}

/* ---- JSON ---- */

static void json_seconds(struct json_out *json, const char *key, uint64_t seconds)
{
    json_key(json, key);
    if (seconds == UINT64_MAX) {
        json_null(json); /* no end in sight */
    } else {
        json_u64(json, seconds);
    }
}

static void json_advice(struct json_out *json, const struct advices *advices)
{
    json_key(json, "advice");
    json_begin_array(json);
    for (uint32_t i = 0; i < advices->count; i++) {
        const struct advice *one = &advices->items[i];
        json_begin_object(json);
        json_field_text(json, "pool", one->pool);
        json_field_text(json, "zone", one->zone);
        json_field_text(json, "reason", one->reason);
        json_field_bool(json, "act", one->act);
        json_seconds(json, "withinSeconds", one->within_s);
        json_field_text(json, "message", one->message);
        json_end_object(json);
    }
    json_end_array(json);
}

static enum err forecast_json(struct cli *cli, const struct line *lines, uint32_t count,
                              const struct advices *advices, struct error *error)
{
    struct json_out json;

    cli_json_begin(cli, &json, "Forecast");
    json_key(&json, "subnets");
    json_begin_array(&json);
    for (uint32_t i = 0; i < count; i++) {
        const struct doc *subnet = lines[i].subnet;
        json_begin_object(&json);
        json_field_text(&json, "subnet", doc_text(doc_get(subnet, "id")));
        json_field_text(&json, "pool", lines[i].pool);
        json_field_text(&json, "zone", doc_text(doc_get(subnet, "zone")));
        json_field_text(&json, "state", doc_text(doc_get(subnet, "state")));
        json_field_u64(&json, "free", doc_u64_or(doc_get(subnet, "free"), 0));
        json_field_u64(&json, "total", doc_u64_or(doc_get(subnet, "total"), 0));
        json_seconds(&json, "exhaustedInSeconds", lines[i].left_s);
        json_end_object(&json);
    }
    json_end_array(&json);
    json_advice(&json, advices);
    return cli_json_end(cli, &json, error);
}

/* ---- text ---- */

static void add_advice(struct cli *cli, const struct advices *advices)
{
    if (advices->count > 0) {
        buf_add_text(&cli->out, "\nWhat would help:\n");
    }
    for (uint32_t i = 0; i < advices->count; i++) {
        const struct advice *one = &advices->items[i];
        cli_wrap(arena_printf(&cli->arena, "%c %.*s%spool %.*s: %.*s", one->act ? '!' : '-',
                              SLICE_ARG(one->zone), one->zone.len > 0 ? ", " : "",
                              SLICE_ARG(one->pool), SLICE_ARG(one->message)),
                 4, &cli->out);
    }
}

static void add_table(struct cli *cli, const struct line *lines, uint32_t count)
{
    struct table table;

    table_init(&table, &cli->arena, "RUNS OUT IN|SUBNET|ZONE|STATE|>FREE|>TOTAL|POOL");
    for (uint32_t i = 0; i < count; i++) {
        const struct doc *subnet = lines[i].subnet;
        table_add(&table, lines[i].left_s == UINT64_MAX ? SLICE("no end in sight")
                          : lines[i].left_s == 0        ? SLICE("now")
                                                 : cli_duration(&cli->arena, lines[i].left_s));
        table_add(&table, doc_text(doc_get(subnet, "id")));
        table_add(&table, doc_text(doc_get(subnet, "zone")));
        table_add(&table, doc_text(doc_get(subnet, "state")));
        table_add(&table, doc_text(doc_get(subnet, "free")));
        table_add(&table, doc_text(doc_get(subnet, "total")));
        table_add(&table, lines[i].pool);
    }
    if (table_empty(&table)) {
        buf_add_text(&cli->out, "No SubnetPool has subnets.\n");
    } else {
        table_print(&table, "", &cli->out);
    }
}

enum err cli_forecast(struct cli *cli, struct error *error)
{
    struct advices advices = { .arena = &cli->arena };
    struct pool_list pools;
    uint32_t count = 0;
    enum err err = pool_list_find(cli, &pools, error);

    if (err != ERR_OK) {
        return err;
    }
    struct line *lines = find_lines(cli, &pools, &count);
    for (const struct doc *pool = pools.first; pool; pool = pool->next) {
        advice_for_pool(&advices, pool, pools.state);
    }
    if (cli->format != CLI_TEXT) {
        return forecast_json(cli, lines, count, &advices, error);
    }
    add_table(cli, lines, count);
    add_advice(cli, &advices);
    return ERR_OK;
}
