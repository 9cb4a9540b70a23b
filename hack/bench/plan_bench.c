/*
 * plan_bench.c - what one event costs the planner, and what a cluster costs in memory.
 *
 *     plan_bench [--json] [NODES ...]      default: 1000 10000 100000
 *
 * Builds a cluster of NODES nodes with 30 pods each over 3 zones and 12 subnets, brings the
 * planner to rest, then feeds it a day's mix of events: pods' counts (94 in 100), heartbeats of
 * nodes (5), reads of ENIs and subnets (1). A node has one in ten minutes, whatever the cluster's
 * size: what the planner does later because of an event, it does then in a small cluster, too, and
 * the figures compare like with like.
 *
 * Two figures an event, since memory is slower than arithmetic. Cold: the median of steps before
 * each of which the caches were emptied, as they are when events come some milliseconds apart and
 * bytes are parsed between them; this is what the work itself costs, and must not grow with the
 * cluster. Warm: the mean of events in a row, where a small cluster lives in the cache and a large
 * one does not.
 */
#include <stdio.h>
#include <stdlib.h>

#include <headroom/io.h>
#include <headroom/plan.h>
#include <headroom/prng.h>

#define SECOND UINT64_C(1000000000)
#define CACHES ((size_t)48 << 20) /* more than the last level holds */

enum {
    ZONES = 3,
    SUBNETS = 12,
    PODS = 30,
    ENIS = 3,
    EVENTS = 400000,
    COLD_EVENTS = 2001,
    LABELS = 12,
    CHANGE_S = 600, /* between two events of one node */
    WAIT_S = 3      /* between a pod's binding and its address */
};

struct cluster {
    struct planner *planner;
    struct arena arena;
    struct prng prng;
    uint64_t now_ns;
    uint32_t nodes;
    char name[64]; /* of the node of the event */
    struct aws_id *instances;
    uint16_t *holding;
    struct subnet subnets[SUBNETS];
    uint64_t actions;
    uint32_t *starting; /* a ring: nodes where a pod waits for its address */
    uint32_t starting_count, starting_at;
};

static const char *const zone_names[ZONES] = { "us-west-2a", "us-west-2b", "us-west-2c" };

static void step(struct cluster *c, struct plan_event *event)
{
    struct plan_actions out;

    event->now_ns = c->now_ns;
    event->wall_ns = UINT64_C(1700000000) * SECOND + c->now_ns;
    plan_step(c->planner, event, &out);
    c->actions += out.count;
}

static struct aws_id id_of(const char *format, uint32_t n)
{
    struct aws_id id;

    (void)snprintf(id.text, sizeof(id.text), format, n);
    return id;
}

/* Made anew for each event, as one that was just read: its bytes are in the cache. */
static struct slice name_of(struct cluster *c, uint32_t node)
{
    static const char form[] = "ip-10-000-000-000.us-west-2.compute.internal";
    enum { LAST_DIGIT = 16 };

    memcpy(c->name, form, sizeof(form));
    for (uint32_t at = LAST_DIGIT, rest = node; rest > 0; at -= 4, rest >>= 8) {
        c->name[at] = (char)('0' + (rest & 255) % 10);
        c->name[at - 1] = (char)('0' + (rest & 255) / 10 % 10);
        c->name[at - 2] = (char)('0' + (rest & 255) / 100);
    }
    return (struct slice){ c->name, sizeof(form) - 1 };
}

static void make_subnets(struct cluster *c)
{
    static const struct pair tag = { { "headroom", 8 }, { "yes", 3 } };

    for (uint32_t i = 0; i < SUBNETS; i++) {
        c->subnets[i] = (struct subnet){
            .id = id_of("subnet-%08x", i),
            .vpc = { "vpc-1" },
            .zone = slice_of(zone_names[i % ZONES]),
            .cidr = { 0x0a000000U + i * 0x10000U, 16 },
            .available = 60000,
            .usable = true,
            .route_kind = ROUTE_PRIVATE,
            .tags = &tag,
            .tag_count = 1,
        };
    }
}

static void send_node(struct cluster *c, uint32_t i)
{
    struct pair labels[LABELS];
    char provider[96];
    struct plan_event event = { .kind = PLAN_NODE };

    for (uint32_t j = 0; j < LABELS; j++) {
        labels[j].key = slice_of(c->arena.chunks ? "label.example.com/key" : "");
        labels[j].value = SLICE("value");
    }
    labels[0] = (struct pair){ SLICE("kubernetes.io/hostname"), name_of(c, i) };
    (void)snprintf(provider, sizeof(provider), "aws:///%s/%s", zone_names[i % ZONES],
                   c->instances[i].text);
    event.node = (struct node){
        .name = name_of(c, i),
        .provider_id = slice_of(provider),
        .zone = slice_of(zone_names[i % ZONES]),
        .instance_type = SLICE("m5.xlarge"),
        .labels = labels,
        .label_count = LABELS,
        .max_pods = 58,
        .ready = true,
    };
    step(c, &event);
}

static void send_pods(struct cluster *c, uint32_t i, uint32_t waiting)
{
    struct plan_event event = { .kind = PLAN_PODS };

    event.pods.node = name_of(c, i);
    event.pods.holding = c->holding[i];
    event.pods.waiting = waiting;
    step(c, &event);
}

static void send_subnets(struct cluster *c)
{
    struct plan_event event = { .kind = PLAN_SUBNETS };

    for (uint32_t i = 0; i < SUBNETS; i++) {
        c->subnets[i].available = 60000 - (uint32_t)prng_below(&c->prng, 50);
    }
    event.subnets.subnets = c->subnets;
    event.subnets.count = SUBNETS;
    event.subnets.asked_ns = c->now_ns;
    step(c, &event);
}

static uint32_t fill_enis(struct cluster *c, uint32_t node, struct eni *enis)
{
    static const struct aws_id group = { "sg-node" };
    static const uint32_t ips[14] = { 0 };

    for (uint32_t j = 0; j < ENIS; j++) {
        enis[j] = (struct eni){
            .id = id_of("eni-%08x", node * ENIS + j),
            .subnet = c->subnets[node % ZONES].id,
            .instance = c->instances[node],
            .status = ENI_IN_USE,
            .device_index = j,
            .delete_on_termination = true,
            .primary_ip = 0x0a000000U + node,
            .ips = ips,
            .ip_count = 14,
            .groups = &group,
            .group_count = 1,
        };
    }
    return ENIS;
}

static void send_enis(struct cluster *c, uint32_t node)
{
    struct eni enis[ENIS];
    struct plan_event event = { .kind = PLAN_ENIS };

    event.enis.instances = &c->instances[node];
    event.enis.instance_count = 1;
    event.enis.enis = enis;
    event.enis.count = fill_enis(c, node, enis);
    event.enis.asked_ns = c->now_ns;
    step(c, &event);
}

static void send_sweep(struct cluster *c)
{
    struct eni *enis = mem_resize(NULL, (size_t)c->nodes * ENIS, sizeof(*enis));
    struct plan_event event = { .kind = PLAN_SWEEP };

    for (uint32_t i = 0; i < c->nodes; i++) {
        (void)fill_enis(c, i, enis + (size_t)i * ENIS);
    }
    event.enis.enis = enis;
    event.enis.count = c->nodes * ENIS;
    event.enis.asked_ns = c->now_ns;
    step(c, &event);
    mem_free(enis);
}

static void build(struct cluster *c, uint32_t nodes)
{
    struct plan_config config = { .seed = 1, .cluster_name = SLICE("bench") };
    static const struct pair tag = { { "headroom", 8 }, { "yes", 3 } };
    const struct selector_term term = { .tags = &tag, .tag_count = 1 };
    struct plan_event event = { .kind = PLAN_AGENT };

    *c = (struct cluster){ .nodes = nodes, .now_ns = 1000 * SECOND };
    arena_init(&c->arena);
    prng_init(&c->prng, 7);
    c->planner = plan_new(&config);
    c->instances = ARENA_ARRAY(&c->arena, struct aws_id, nodes);
    c->holding = ARENA_ARRAY(&c->arena, uint16_t, nodes);
    c->starting_count = nodes * WAIT_S / (2 * CHANGE_S) + 1; /* every other event is a binding */
    c->starting = ARENA_ARRAY(&c->arena, uint32_t, c->starting_count);
    make_subnets(c);
    agent_settings_default(&event.agent);
    step(c, &event);
    event = (struct plan_event){ .kind = PLAN_POOL };
    pool_default(&event.pool);
    event.pool.name = SLICE("default");
    event.pool.subnet_terms = &term;
    event.pool.subnet_term_count = 1;
    step(c, &event);
    for (uint32_t i = 0; i < nodes; i++) {
        c->instances[i] = id_of("i-%017x", i);
        c->holding[i] = PODS;
        send_node(c, i);
        send_pods(c, i, 0);
    }
    event = (struct plan_event){ .kind = PLAN_KUBE_SYNCED };
    step(c, &event);
    event = (struct plan_event){ .kind = PLAN_LEASE, .leader = true };
    step(c, &event);
    send_subnets(c);
    send_sweep(c);
    for (uint32_t turn = 0; turn < 100 && plan_deadline_ns(c->planner) <= c->now_ns; turn++) {
        event = (struct plan_event){ .kind = PLAN_TICK };
        step(c, &event);
    }
}

static void one_event(struct cluster *c)
{
    uint32_t node = (uint32_t)prng_below(&c->prng, c->nodes);
    uint32_t kind = (uint32_t)prng_below(&c->prng, 1000);

    /* More nodes have more events a second, not more between two reads of a node. */
    c->now_ns += CHANGE_S * SECOND / c->nodes;
    if (kind < 940) {
        uint32_t *started = &c->starting[c->starting_at++ % c->starting_count];
        if (kind % 2 == 0) {
            c->holding[node] = (uint16_t)(PODS - 3 + prng_below(&c->prng, 7));
            send_pods(c, *started, 0);
            *started = node;
            send_pods(c, node, 1);
        } else {
            c->holding[node] = (uint16_t)(PODS - 3 + prng_below(&c->prng, 7));
            send_pods(c, node, 0);
        }
    } else if (kind < 990) {
        send_node(c, node);
    } else if (kind < 999) {
        send_enis(c, node);
    } else {
        send_subnets(c);
    }
}

/* Of this process: a busy machine must not count. */
static double cpu_seconds(void)
{
    double cpu_s = 0;
    uint64_t bytes = 0;

    io_usage(&cpu_s, &bytes);
    return cpu_s;
}

static double resident_mib(void)
{
    double cpu_s = 0;
    uint64_t bytes = 0;

    io_usage(&cpu_s, &bytes);
    return (double)bytes / (1024.0 * 1024.0);
}

static int by_size(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

/* Reads more than any cache holds, so that nothing of the planner is left in it. */
static uint64_t empty_caches(const uint8_t *memory)
{
    enum { LINE = 64 };
    uint64_t sum = 0;

    for (size_t i = 0; i < CACHES; i += LINE) {
        sum += memory[i];
    }
    return sum;
}

/* One step of the clock costs some 50 ns; it is in the figure. */
static uint64_t cold_ns(struct cluster *c)
{
    uint64_t *took_ns = mem_resize(NULL, COLD_EVENTS, sizeof(*took_ns));
    uint8_t *memory = mem_resize(NULL, CACHES, 1);
    uint64_t sum = 0;

    memset(memory, 1, CACHES);
    for (uint32_t i = 0; i < COLD_EVENTS; i++) {
        sum += empty_caches(memory);
        uint64_t begin_ns = io_now_ns();
        one_event(c);
        took_ns[i] = io_now_ns() - begin_ns;
    }
    c->actions += sum == 0; /* so that the reads are not left out */
    qsort(took_ns, COLD_EVENTS, sizeof(*took_ns), by_size);
    uint64_t median_ns = took_ns[COLD_EVENTS / 2];
    mem_free(took_ns);
    mem_free(memory);
    return median_ns;
}

struct figures {
    double warm_ns, cold_ns;
};

static struct figures measure(uint32_t nodes, bool json)
{
    struct cluster c;
    struct figures figures;

    build(&c, nodes);
    for (uint32_t i = 0; i < EVENTS / 10; i++) {
        one_event(&c);
    }
    double resident = resident_mib();
    double begin_s = cpu_seconds();
    for (uint32_t i = 0; i < EVENTS; i++) {
        one_event(&c);
    }
    figures.warm_ns = (cpu_seconds() - begin_s) * 1e9 / EVENTS;
    figures.cold_ns = (double)cold_ns(&c);
    printf(json ? "{\"nodes\":%u,\"pods\":%u,\"cold_ns\":%.0f,\"warm_ns\":%.0f,"
                  "\"resident_mib\":%.1f}\n"
                : "%7u nodes %8u pods: %6.0f ns an event cold, %6.0f ns warm, %6.1f MiB\n",
           nodes, nodes * PODS, figures.cold_ns, figures.warm_ns, resident);
    (void)fflush(stdout);
    plan_free(c.planner);
    arena_done(&c.arena);
    return figures;
}

int main(int argc, char **argv)
{
    static const uint32_t sizes[] = { 1000, 10000, 100000 };
    bool json = argc > 1 && strcmp(argv[1], "--json") == 0;
    struct figures first = { 0, 0 };
    struct figures last = { 0, 0 };

    if (argc > 1 + json) {
        for (int i = 1 + json; i < argc; i++) {
            uint64_t nodes = 0;
            if (slice_u64(slice_of(argv[i]), 1000000, &nodes) != ERR_OK || nodes == 0) {
                (void)fprintf(stderr, "plan_bench: %s is no number of nodes up to 1000000\n",
                              argv[i]);
                return 2;
            }
            (void)measure((uint32_t)nodes, json);
        }
        return 0;
    }
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        last = measure(sizes[i], json);
        first = i == 0 ? last : first;
    }
    if (!json) {
        printf("from the first to the last: %.2f times cold, %.2f times warm\n",
               last.cold_ns / first.cold_ns, last.warm_ns / first.warm_ns);
    }
    return 0;
}
