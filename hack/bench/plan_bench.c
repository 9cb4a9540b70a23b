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
 * Three figures an event, since memory is slower than arithmetic, and a small cluster lives in the
 * cache where a large one does not. In reads: the mean of events in a row, of which a read brings
 * CHANGES, as a busy watch does; the planner is told of a read's events at once (plan_expect), as
 * by the engine. One by one: each read brings one. Cold: likewise, and the median of steps before
 * each of which the caches were emptied, as they are when events come some milliseconds apart.
 */
#include <assert.h>
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
    CHANGES = 4,            /* of a read of a busy watch */
    READ_MAX = 2 * CHANGES, /* events: a change is one or two */
    SETTLE = 4,     /* changes of each node before any is measured: the first ones cost more */
    CHANGE_S = 600, /* between two events of one node */
    WAIT_S = 3      /* between a pod's binding and its address */
};

struct cluster {
    struct planner *planner;
    struct arena arena;
    struct prng prng;
    uint64_t now_ns;
    uint32_t nodes;
    struct plan_event read[READ_MAX];
    uint32_t read_count;
    struct arena text; /* of the read: its bytes are in the cache */
    struct aws_id *instances;
    uint16_t *holding;
    struct subnet subnets[SUBNETS];
    uint64_t actions;
    uint32_t *starting; /* a ring: nodes where a pod waits for its address */
    uint32_t starting_count, starting_at;
};

static const char *const zone_names[ZONES] = { "us-west-2a", "us-west-2b", "us-west-2c" };

/* One more event of the read; its time is now. */
static struct plan_event *add(struct cluster *c, enum plan_event_kind kind)
{
    struct plan_event *event = &c->read[c->read_count++];

    assert(c->read_count <= READ_MAX);
    *event = (struct plan_event){ .kind = kind, .now_ns = c->now_ns };
    event->wall_ns = UINT64_C(1700000000) * SECOND + c->now_ns;
    return event;
}

/* What the engine does with a read. */
static void take_read(struct cluster *c)
{
    struct plan_actions out;

    plan_expect(c->planner, c->read, c->read_count);
    for (uint32_t i = 0; i < c->read_count; i++) {
        plan_step(c->planner, &c->read[i], &out);
        c->actions += out.count;
    }
    c->read_count = 0;
    arena_reset(&c->text);
}

static struct aws_id id_of(const char *format, uint32_t n)
{
    struct aws_id id;

    (void)snprintf(id.text, sizeof(id.text), format, n);
    return id;
}

static struct slice name_of(struct cluster *c, uint32_t node)
{
    static const char form[] = "ip-10-000-000-000.us-west-2.compute.internal";
    enum { LAST_DIGIT = 16 };
    char *name = arena_alloc(&c->text, sizeof(form));

    memcpy(name, form, sizeof(form));
    for (uint32_t at = LAST_DIGIT, rest = node; rest > 0; at -= 4, rest >>= 8) {
        name[at] = (char)('0' + (rest & 255) % 10);
        name[at - 1] = (char)('0' + (rest & 255) / 10 % 10);
        name[at - 2] = (char)('0' + (rest & 255) / 100);
    }
    return (struct slice){ name, sizeof(form) - 1 };
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

static void add_node(struct cluster *c, uint32_t i)
{
    struct plan_event *event = add(c, PLAN_NODE);
    struct pair *labels = ARENA_ARRAY(&c->text, struct pair, LABELS);
    struct slice zone = slice_of(zone_names[i % ZONES]);

    for (uint32_t j = 0; j < LABELS; j++) {
        labels[j] = (struct pair){ SLICE("label.example.com/key"), SLICE("value") };
    }
    labels[0] = (struct pair){ SLICE("kubernetes.io/hostname"), name_of(c, i) };
    event->node = (struct node){
        .name = name_of(c, i),
        .provider_id = arena_printf(&c->text, "aws:///%.*s/%s", SLICE_ARG(zone),
                                    c->instances[i].text),
        .zone = zone,
        .instance_type = SLICE("m5.xlarge"),
        .labels = labels,
        .label_count = LABELS,
        .max_pods = 58,
        .ready = true,
    };
}

static void add_pods(struct cluster *c, uint32_t i, uint32_t waiting)
{
    struct plan_event *event = add(c, PLAN_PODS);

    event->pods.node = name_of(c, i);
    event->pods.holding = c->holding[i];
    event->pods.waiting = waiting;
}

static void add_subnets(struct cluster *c)
{
    struct plan_event *event = add(c, PLAN_SUBNETS);

    for (uint32_t i = 0; i < SUBNETS; i++) {
        c->subnets[i].available = 60000 - (uint32_t)prng_below(&c->prng, 50);
    }
    event->subnets.subnets = c->subnets;
    event->subnets.count = SUBNETS;
    event->subnets.asked_ns = c->now_ns;
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

static void add_enis(struct cluster *c, uint32_t node)
{
    struct eni *enis = ARENA_ARRAY(&c->text, struct eni, ENIS);
    struct plan_event *event = add(c, PLAN_ENIS);

    event->enis.instances = &c->instances[node];
    event->enis.instance_count = 1;
    event->enis.enis = enis;
    event->enis.count = fill_enis(c, node, enis);
    event->enis.asked_ns = c->now_ns;
}

static void sweep(struct cluster *c)
{
    struct eni *enis = mem_resize(NULL, (size_t)c->nodes * ENIS, sizeof(*enis));
    struct plan_event *event = add(c, PLAN_SWEEP);

    for (uint32_t i = 0; i < c->nodes; i++) {
        (void)fill_enis(c, i, enis + (size_t)i * ENIS);
    }
    event->enis.enis = enis;
    event->enis.count = c->nodes * ENIS;
    event->enis.asked_ns = c->now_ns;
    take_read(c);
    mem_free(enis);
}

static void build_kube(struct cluster *c)
{
    static const struct pair tag = { { "headroom", 8 }, { "yes", 3 } };
    static const struct selector_term term = { .tags = &tag, .tag_count = 1 };

    agent_settings_default(&add(c, PLAN_AGENT)->agent);
    struct pool *pool = &add(c, PLAN_POOL)->pool;
    pool_default(pool);
    pool->name = SLICE("default");
    pool->subnet_terms = &term;
    pool->subnet_term_count = 1;
    take_read(c);
    for (uint32_t i = 0; i < c->nodes; i++) {
        c->instances[i] = id_of("i-%017x", i);
        c->holding[i] = PODS;
        add_node(c, i);
        add_pods(c, i, 0);
        take_read(c);
    }
    (void)add(c, PLAN_KUBE_SYNCED);
    add(c, PLAN_LEASE)->leader = true;
    take_read(c);
}

static void build(struct cluster *c, uint32_t nodes)
{
    struct plan_config config = { .seed = 1, .cluster_name = SLICE("bench") };

    *c = (struct cluster){ .nodes = nodes, .now_ns = 1000 * SECOND };
    arena_init(&c->arena);
    arena_init(&c->text);
    prng_init(&c->prng, 7);
    c->planner = plan_new(&config);
    c->instances = ARENA_ARRAY(&c->arena, struct aws_id, nodes);
    c->holding = ARENA_ARRAY(&c->arena, uint16_t, nodes);
    c->starting_count = nodes * WAIT_S / (2 * CHANGE_S) + 1; /* every other change is a binding */
    c->starting = ARENA_ARRAY(&c->arena, uint32_t, c->starting_count);
    make_subnets(c);
    build_kube(c);
    add_subnets(c);
    take_read(c);
    sweep(c);
    for (uint32_t turn = 0; turn < 100 && plan_deadline_ns(c->planner) <= c->now_ns; turn++) {
        (void)add(c, PLAN_TICK);
        take_read(c);
    }
}

static void change(struct cluster *c)
{
    uint32_t node = (uint32_t)prng_below(&c->prng, c->nodes);
    uint32_t kind = (uint32_t)prng_below(&c->prng, 1000);

    /* More nodes have more changes a second, not more between two reads of a node. */
    c->now_ns += CHANGE_S * SECOND / c->nodes;
    if (kind < 940) {
        c->holding[node] = (uint16_t)(PODS - 3 + prng_below(&c->prng, 7));
        if (kind % 2 == 0) {
            uint32_t *started = &c->starting[c->starting_at++ % c->starting_count];
            add_pods(c, *started, 0);
            *started = node;
            add_pods(c, node, 1);
        } else {
            add_pods(c, node, 0);
        }
    } else if (kind < 990) {
        add_node(c, node);
    } else if (kind < 999) {
        add_enis(c, node);
    } else {
        add_subnets(c);
    }
}

/* So many changes, in reads of so many. */
static void changes(struct cluster *c, uint32_t count, uint32_t read)
{
    for (uint32_t i = 1; i <= count; i++) {
        change(c);
        if (i % read == 0) {
            take_read(c);
        }
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
        changes(c, 1, 1);
        took_ns[i] = io_now_ns() - begin_ns;
    }
    c->actions += sum == 0; /* so that the reads are not left out */
    qsort(took_ns, COLD_EVENTS, sizeof(*took_ns), by_size);
    uint64_t median_ns = took_ns[COLD_EVENTS / 2];
    mem_free(took_ns);
    mem_free(memory);
    return median_ns;
}

/* Of this process's own time: a busy machine must not count. */
static double warm_ns(struct cluster *c, uint32_t read)
{
    double begin_s = cpu_seconds();

    changes(c, EVENTS, read);
    return (cpu_seconds() - begin_s) * 1e9 / EVENTS;
}

struct figures {
    double reads_ns, single_ns, cold_ns;
};

static struct figures measure(uint32_t nodes, bool json)
{
    struct cluster c;
    struct figures figures;

    build(&c, nodes);
    changes(&c, SETTLE * nodes, CHANGES);
    double resident = resident_mib();
    figures.reads_ns = warm_ns(&c, CHANGES);
    figures.single_ns = warm_ns(&c, 1);
    figures.cold_ns = (double)cold_ns(&c);
    printf(json ? "{\"nodes\":%u,\"pods\":%u,\"reads_ns\":%.0f,\"single_ns\":%.0f,"
                  "\"cold_ns\":%.0f,\"resident_mib\":%.1f}\n"
                : "%7u nodes %8u pods: %5.0f ns an event in reads, %5.0f one by one, %5.0f cold, "
                  "%6.1f MiB\n",
           nodes, nodes * PODS, figures.reads_ns, figures.single_ns, figures.cold_ns, resident);
    (void)fflush(stdout);
    plan_free(c.planner);
    arena_done(&c.arena);
    arena_done(&c.text);
    return figures;
}

int main(int argc, char **argv)
{
    static const uint32_t sizes[] = { 1000, 10000, 100000 };
    bool json = argc > 1 && strcmp(argv[1], "--json") == 0;
    struct figures first = { 0 };
    struct figures last = { 0 };

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
        printf("from the first to the last: %.2f times in reads, %.2f one by one, %.2f cold\n",
               last.reads_ns / first.reads_ns, last.single_ns / first.single_ns,
               last.cold_ns / first.cold_ns);
    }
    return 0;
}
