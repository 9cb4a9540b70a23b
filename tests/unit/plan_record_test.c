/*
 * What the planner does in some random clusters, word for word: every action, and every decision
 * that changed, against tests/fixtures/plan/record-N.txt. The stories say what is right; these say
 * that nothing has changed unseen. After a change that is meant:
 *
 *     RECORD=1 build/tests/unit-plan plan_record && git diff tests/fixtures/plan
 */
#include "plan_world.h"

#include <stdio.h>
#include <stdlib.h>

#include <headroom/buf.h>

#include "plan/state.h" /* what decisions are made of */

enum { RECORDS = 14, HAPPENINGS = 45, RECORD_MAX = 1 << 20 };

static struct slice decision_line(struct story *s, const struct plan_decision *d)
{
    return arena_printf(
        &s->arena,
        "  %.*s %s %.*s addresses=%u holding=%u waiting=%u avail=%u warm=%u enis=%u/%u "
        "stall=%d %s ips=%u prefixes=%u index=%u%s%s\n",
        SLICE_ARG(d->node), plan_decision_name(d->kind), SLICE_ARG(d->pool), d->addresses,
        d->holding, d->waiting, d->avail, d->warm_target, d->enis, d->eni_limit, (int)d->stall_in_s,
        d->subnet.text, d->ips, d->prefixes, d->device_index, d->low ? " low" : "",
        d->agent_can_grow ? " grows" : "");
}

/* What the node's agent has, sees and wants, as far as a decision does not say it. */
static struct slice view_line(struct story *s, const struct plan_decision *d)
{
    const struct node_row *node = &s->planner->nodes[cluster_find(s->planner, d->node)];
    struct view v;

    if (node->pool == NONE || node->type == NONE || node->zone == NONE || !node->enis_known) {
        return SLICE("");
    }
    node_view(s->planner, node, &v);
    uint32_t min_ips = s->planner->pools[node->pool].pool.min_ips_per_node;
    return arena_printf(
        &s->arena,
        "  %.*s: coming %u in %u left %d cooling %u slots %u of %u agent %u room %u reach %u ahead "
        "%u stuck %u wants %u early %u%s%s grows%s%s%s%s%s%s%s%s\n",
        SLICE_ARG(d->node), v.coming, v.coming_enis, v.left, v.cooling, v.slots_used, v.slots,
        v.agent_slots, v.room, v.reach, v.ahead, (unsigned)(node_stuck_ns(&v) / SECOND_NS),
        node_wanted(&v, min_ips), node_early_ips(&v),
        node_keeps_early(s->planner, node, &v) ? " keeps" : "", node_is_ahead(&v) ? " ahead" : "",
        v.can_grow_now ? " now" : "", v.can_grow_soon ? " soon" : "",
        v.can_grow_later ? " later" : "", v.can_grow_lasting ? " lasting" : "",
        v.new_eni_lasting ? " new" : "", v.will_grow ? " will" : "", v.fails ? " fails" : "",
        v.trunk_slot ? " trunk" : "");
}

static void add_links(struct story *s, struct slice *last, struct buf *text)
{
    for (uint32_t i = 0; i < s->planner->subnet_count && i < CHAOS_SUBNETS; i++) {
        const struct subnet_row *subnet = &s->planner->subnets[i];
        struct slice line = arena_printf(&s->arena, "  %s %u free %u blocks, in flight %u",
                                         subnet->id.text, subnet_free(subnet),
                                         subnet_blocks(subnet), subnet->debit_ips);
        for (uint32_t j = 0; j < s->planner->pool_count && s->planner->pools[j].live; j++) {
            const struct link *link = &s->planner->pools[j].links[i];
            line = arena_printf(&s->arena, "%.*s, %s%s%s%s%s", SLICE_ARG(line),
                                subnet_state_name(link->state), link->member ? " member" : "",
                                link->dying ? " dying" : "", link->leaving ? " leaving" : "",
                                link->ending ? " ending" : "");
        }
        if (!slice_eq(line, last[i])) {
            buf_addf(text, "%.*s\n", SLICE_ARG(line));
            last[i] = line;
        }
    }
}

static void add_details(struct story *s, struct buf *text)
{
    struct plan_decision decision;

    for (uint32_t i = 0; plan_decision_at(s->planner, i, &decision); i++) {
        buf_addf(text, "%.*s: %.*s\n", SLICE_ARG(decision.node), SLICE_ARG(decision.detail));
    }
}

static void add_decisions(struct story *s, struct slice *last, struct buf *text)
{
    for (uint32_t i = 0; i < CHAOS_NODES; i++) {
        struct plan_decision decision;
        struct slice line = SLICE("");
        if (plan_decision_of(s->planner, slice_of(chaos_nodes[i]), &decision)) {
            line = arena_printf(&s->arena, "%.*s%.*s", SLICE_ARG(decision_line(s, &decision)),
                                SLICE_ARG(view_line(s, &decision)));
        }
        if (!slice_eq(line, last[i])) {
            buf_add_slice(text, line);
            last[i] = line;
        }
    }
}

/* What goes to EC2 with the new orders. */
static void add_intents(struct story *s, uint32_t *seen, struct buf *text)
{
    for (; *seen < s->order_count; (*seen)++) {
        const struct eni_intent *intent = &s->orders[*seen].action.attach;
        if (s->orders[*seen].action.kind != PLAN_ATTACH) {
            continue;
        }
        buf_addf(text, "  rank %u, %s, %.*s, groups", s->orders[*seen].action.rank,
                 intent->client_token, SLICE_ARG(intent->description));
        for (uint32_t i = 0; i < intent->group_count; i++) {
            buf_addf(text, " %s", intent->groups[i].text);
        }
        for (uint32_t i = 0; i < intent->tag_count; i++) {
            buf_addf(text, " %.*s=%.*s", SLICE_ARG(intent->tags[i].key),
                     SLICE_ARG(intent->tags[i].value));
        }
        buf_add_char(text, '\n');
    }
}

static void add_subnets(struct story *s, struct buf *text)
{
    struct pool_status status;

    for (uint32_t i = 0; plan_pool_status_at(s->planner, i, &status); i++) {
        buf_addf(text, "pool %.*s: nodes %u covered %u at risk %u exhausted %u\n",
                 SLICE_ARG(status.name), status.nodes_total, status.nodes_covered,
                 status.nodes_at_risk, status.nodes_exhausted);
        for (uint32_t j = 0; j < status.subnet_count; j++) {
            const struct subnet_status *subnet = &status.subnets[j];
            buf_addf(text, "  %s %s free %u blocks %u in flight %u exhausted in %d s\n",
                     subnet->id.text, subnet_state_name(subnet->state), subnet->free,
                     subnet->free_prefixes, subnet->in_flight, (int)subnet->exhausted_in_s);
        }
        for (uint32_t j = 0; j < POOL_CONDITIONS; j++) {
            buf_addf(text, "  %s %s: %.*s\n", status.conditions[j].type,
                     status.conditions[j].reason, SLICE_ARG(status.conditions[j].message));
        }
    }
}

/* When, how often the planner was called since the start, and when it wants to be called next. */
static void add_time(const struct story *s, struct buf *text)
{
    uint64_t at_ns = plan_deadline_ns(s->planner);
    uint64_t in_ms = at_ns < s->now_ns ? 0 : (at_ns - s->now_ns) / (STORY_S / 1000);

    buf_addf(text, "-- %u, call %u, next in ", (unsigned)((s->now_ns - s->began_ns) / STORY_S),
             s->ticks);
    if (at_ns == UINT64_MAX) {
        buf_add_text(text, "no time\n");
    } else {
        buf_addf(text, "%u.%03u s\n", (unsigned)(in_ms / 1000), (unsigned)(in_ms % 1000));
    }
}

/* What happens in the cluster of this seed, in words. */
static void record(uint64_t seed, struct buf *text)
{
    struct slice last[CHAOS_NODES] = { { "", 0 } };
    struct slice links[CHAOS_SUBNETS] = { { "", 0 } };
    uint32_t seen = 0;
    struct prng prng;

    prng_init(&prng, seed);
    struct story *s = world_cluster(&prng);
    story_go(s);
    for (uint32_t i = 0; i < HAPPENINGS; i++) {
        add_time(s, text);
        buf_add_text(text, s->trace);
        add_intents(s, &seen, text);
        add_links(s, links, text);
        add_decisions(s, last, text);
        story_forget(s);
        world_happen(s, &prng);
        story_audit(s);
        story_wait(s, (double)chaos_below(&prng, 30000) / 1000);
    }
    buf_add_text(text, s->trace);
    add_decisions(s, last, text);
    add_details(s, text);
    add_subnets(s, text);
    buf_addf(text, "in flight %u, sweeps %u, reads of nodes %u, of subnets %u\n",
             plan_in_flight(s->planner), s->sweeps, s->observes, s->subnet_reads);
    story_end(s);
}

static void write_record(const char *name, struct slice text)
{
    struct slice path = arena_printf(test_arena(), "tests/fixtures/%s", name);
    FILE *file = fopen(path.data, "wb");

    require(file != NULL);
    expect_u64(fwrite(text.data, 1, text.len, file), text.len);
    expect_i64(fclose(file), 0);
}

/* The first line that differs: the whole would not be read. */
static void compare(const char *name, struct slice text, struct slice wanted)
{
    for (uint32_t line = 1; text.len > 0 || wanted.len > 0; line++) {
        struct slice a = slice_cut(&text, '\n');
        struct slice b = slice_cut(&wanted, '\n');
        if (!slice_eq(a, b)) {
            test_fail("%s:%u:\n  is  %.*s\n  was %.*s\nif that is meant: RECORD=1 "
                      "build/tests/unit-plan plan_record",
                      name, line, SLICE_ARG(a), SLICE_ARG(b));
            return;
        }
    }
}

TEST(plan_record, does_what_it_did)
{
    for (uint32_t i = 1; i <= RECORDS; i++) {
        struct buf text;
        char name[32];
        (void)snprintf(name, sizeof(name), "plan/record-%u.txt", i);
        buf_init(&text, RECORD_MAX);
        record(1000 + i, &text);
        expect(!text.failed);
        if (getenv("RECORD")) {
            write_record(name, buf_slice(&text));
        } else {
            compare(name, buf_slice(&text), test_fixture(name));
        }
        buf_done(&text);
    }
}
