/*
 * agent.h - the inside of the agent's model, shared by the files of src/sim/agent.
 *
 *   agent.c  life: start, crash loop, the 5 s loop's clock, pods' adds and dels
 *   pool.c   what the loop's first half does: is the pool low, is it high; get more, give back
 *   adopt.c  what its second half does: compare with the metadata service, adopt, forget
 *   store.c  the data store: ENIs, their addresses, who holds them, who cools
 *
 * The real agent is one goroutine that sleeps and calls EC2. The model is the same goroutine as a
 * machine: `op` is the call or sleep that it is in, `next_ns` when that ends. An EC2 call takes
 * effect at its beginning and the machine stays away for the call's latency.
 */
#ifndef SIM_AGENT_AGENT_H
#define SIM_AGENT_AGENT_H

#include <headroom/prng.h>
#include <headroom/sim.h>

#define SIM_MS UINT64_C(1000000)
#define SIM_S UINT64_C(1000000000)

/* Constants of ipamd v1.23.2, in the agent's own terms (facts/agent-ipamd.md). */
#define AGENT_HALF_LOOP_NS (SIM_S * 5 / 2) /* ipPoolMonitorInterval / 2 */
#define AGENT_RECONCILE_NS (60 * SIM_S)    /* nodeIPPoolReconcileInterval */
#define AGENT_COOLDOWN_NS (120 * SIM_S)    /* insufficientCidrErrorCooldown */
#define AGENT_DECREASE_NS (30 * SIM_S)     /* decreaseIPPoolInterval */
#define AGENT_ENI_YOUNG_NS (60 * SIM_S)    /* minENILifeTime */
#define AGENT_IP_COOLING_NS (30 * SIM_S)   /* IP_COOLDOWN_PERIOD */
#define AGENT_DETACH_WAIT_NS (2 * SIM_S)   /* between detach and delete */

enum {
    PREFIX_SIZE = 16,
    AGENT_RETRIES = 12, /* of detach, delete and of waiting for the metadata service */
    AGENT_TAG_RETRIES = 5,
    SDK_ATTEMPTS = 10, /* of one call that is throttled or gets no answer */
};

/* One address: who holds it, when it was last given back. */
struct agent_address {
    uint64_t pod;      /* hash of the pod's key; 0: free */
    uint64_t freed_ns; /* 0: never used */
};

/* A secondary address or a /28 of an ENI. */
struct agent_cidr {
    uint32_t base;
    uint32_t used; /* addresses that pods hold */
    bool prefix;
    union {
        struct agent_address one;   /* !prefix */
        struct agent_address *many; /* prefix: 16 of them, owned */
    };
};

struct agent_eni {
    struct aws_id id, subnet;
    uint64_t since_ns; /* in the store */
    struct agent_cidr *cidrs;
    uint32_t cidr_count, cidr_capacity;
    uint32_t used; /* over all cidrs */
    bool primary, trunk, efa, excluded;
    bool seen; /* by the reconcile under way */
};

struct agent_store {
    struct agent_eni *enis;
    uint32_t count, capacity;
    bool prefix_mode;
};

/* What decisions rest on; excluded ENIs and cidrs of the other mode do not count. */
struct store_stats {
    uint32_t total, assigned, prefixes, free_prefixes;
};

struct agent_eni *store_find(struct agent_store *store, const struct aws_id *id);
struct agent_eni *store_add(struct agent_store *store, const struct eni *eni, uint64_t now_ns);
void store_remove(struct agent_store *store, struct agent_eni *eni); /* with the addresses that pods
                                                                    hold */
void store_clear(struct agent_store *store);
/* Makes the ENI's cidrs those that EC2 shows; true if that changed anything. */
bool store_sync(struct agent_eni *eni, const struct eni *truth);
/* Takes a cidr that no pod uses out of the ENI. */
void store_remove_cidr(struct agent_eni *eni, uint32_t index);
void store_stats(const struct agent_store *store, struct store_stats *ret);
/* The ENI at which a walk over all of them begins. The real store is a Go map: up to eight entries
 * lie in one group of eight slots, in order of insertion, and a walk begins at any of the slots and
 * goes round (internal/runtime/maps of Go 1.26). So the eldest ENI, the primary one, comes first in
 * seven walks of eight when there are two. 0 when there is none. */
uint32_t store_walk(const struct agent_store *store, struct prng *prng);
uint32_t store_cooling(const struct agent_store *store, uint64_t now_ns);
/* The search begins where store_walk says. */
bool store_assign(struct agent_store *store, struct prng *prng, uint64_t now_ns, uint64_t pod,
                  uint32_t *ret_ip);
bool store_holds(const struct agent_store *store, uint64_t pod, uint32_t *ret_ip);
bool store_release(struct agent_store *store, uint64_t now_ns, uint64_t pod);
/* Gives an address that is known to be a pod's back to it, after a restart; false: it is not there.
 */
bool store_restore(struct agent_store *store, uint32_t ip, uint64_t pod);
const struct agent_eni *store_trunk(const struct agent_store *store);

struct store_targets {
    uint32_t warm_ips, minimum_ips, warm_prefixes;
};

/* An ENI that the agent may free, or NULL; then *ret_wake_ns is when an ENI that is only too young
 * or cooling may be looked at again (UINT64_MAX: none). */
struct agent_eni *store_deletable(struct agent_store *store, struct prng *prng, uint64_t now_ns,
                                  const struct store_targets *targets, uint64_t *ret_wake_ns);
bool store_freeable_exists(const struct agent_store *store);

/* What the goroutine is in. */
enum agent_op {
    OP_DOWN,       /* not started, or in the kubelet's back-off */
    OP_START,      /* the process comes up */
    OP_LOOP,       /* sleeps until its next slot */
    OP_TAG,        /* one of `todo` after another, ENIs to adopt: tags it, if need be, */
    OP_SETUP,      /* and sets up its link, routes and addresses */
    OP_ASSIGN,     /* one of `todo` after another: as many addresses as it takes */
    OP_ASSIGN_ONE, /* the same ENI again: "just one more" */
    OP_CREATE,     /* one of `todo`, now subnets, after another */
    OP_ATTACH,     /* the new ENI, */
    OP_MODIFY,     /* its delete-on-termination, */
    OP_WAIT,       /* until the metadata shows it, */
    OP_SETUP_NEW,  /* its link, routes and addresses */
    OP_UNDO,       /* deletes an ENI that could not be attached */
    OP_UNASSIGN,   /* one of `todo` after another: addresses beyond the target */
    OP_DETACH,     /* frees an ENI: detaches it */
    OP_DELETE,     /* and deletes it */
};

/* What follows when the op is through. */
enum agent_then { THEN_START, THEN_TICK };

struct agent_held {
    uint64_t pod;
    uint32_t ip;
};

struct sim_agent {
    struct sim_ec2 *ec2;
    char *texts;          /* what the configuration borrows, copied */
    struct arena scratch; /* of one step; empty between them, for there are many agents */
    struct agent_settings settings;
    struct aws_id instance;
    struct aws_id eniconfig_subnet;
    struct aws_id *eniconfig_groups; /* owned */
    struct pair *extra_tags;         /* owned; its texts in `texts` */
    uint32_t eniconfig_group_count;
    struct instance_type type;
    uint32_t max_pods, max_enis, per_eni; /* per_eni: addresses or prefixes of an ENI, k */
    uint32_t warm_enis, warm_ips, minimum_ips, warm_prefixes;
    bool targets_defined; /* WARM_IP_TARGET or MINIMUM_IP_TARGET */
    uint64_t wall_offset_ns;
    struct prng prng;

    struct agent_store store;
    struct aws_id *unmanaged;
    uint32_t unmanaged_count, unmanaged_capacity;
    struct aws_id primary, primary_subnet;

    bool running, cordoned, refusing, tracing;
    uint64_t now_ns, next_ns;
    enum agent_op op;
    enum agent_then then;
    uint32_t attempt; /* of the SDK, within the call */
    uint32_t retry;   /* of the agent, around it */

    /* The loop: slots 2.5 s apart, alternately for the pool and for the reconcile. */
    uint64_t slot_ns;
    uint64_t version;    /* of the instance's ENIs when a reconcile found nothing to do; 0: none */
    bool slot_reconcile; /* what slot_ns is for */
    bool next_reconcile; /* what next_ns is for, in OP_LOOP */
    uint64_t pool_wake_ns; /* before that no pool slot would do anything: they are skipped */
    uint64_t last_action_ns, last_decrease_ns, last_insufficient_ns; /* 0: never */
    bool acted, scaled_down;

    /* Of the op under way. */
    struct aws_id *todo;
    uint32_t todo_count, todo_capacity, todo_at;
    uint32_t want; /* addresses, prefixes */
    struct aws_id eni;
    enum cloud_code last_code;
    char client_token[CLIENT_TOKEN_MAX];
    uint64_t tokens;
    struct store_stats tick_stats;

    uint32_t crashes;
    struct agent_held *held; /* what the checkpoint file would hold, over a restart */
    uint32_t held_count, held_capacity;
    struct sim_agent_stats stats;
    struct buf trace;
};

/* One line of the trace. */
void agent_trace(struct sim_agent *agent, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Counts a call; true: it was throttled or lost and is made again by itself after a back-off (same
 * op). */
bool agent_call(struct sim_agent *agent, enum cloud_code code);
/* The machine goes on with `op` after `delay_ns`; the tick has then done something. */
void agent_go(struct sim_agent *agent, enum agent_op op, uint64_t delay_ns);
void agent_todo_clear(struct sim_agent *agent);
void agent_todo_add(struct sim_agent *agent, const struct aws_id *id);
/* What the metadata service shows, in the scratch arena. */
const struct eni *agent_attached(struct sim_agent *agent, uint32_t *ret_count);
const struct eni *agent_attached_eni(struct sim_agent *agent, const struct aws_id *id);
bool agent_insufficient(enum cloud_code code);

/* pool.c */
void agent_pool_tick(struct sim_agent *agent);
/* The start's one look at the pool (pre-scaling); ends in agent_started(). */
void agent_prescale(struct sim_agent *agent);
void agent_pool_step(struct sim_agent *agent); /* ops from ASSIGN on */
bool agent_low(const struct sim_agent *agent, const struct store_stats *stats);

/* adopt.c */
void agent_scan(struct sim_agent *agent);
/* As if it had scanned, tagged and set up long ago. */
void agent_know_enis(struct sim_agent *agent);  /* the start's look at all ENIs */
void agent_reconcile(struct sim_agent *agent);  /* the loop's */
void agent_adopt_step(struct sim_agent *agent); /* OP_TAG, OP_SETUP */
/* Puts an ENI that the metadata service shows into the store. */
void agent_setup(struct sim_agent *agent, const struct eni *eni);
bool agent_subnet_excluded(struct sim_agent *agent, const struct aws_id *subnet);
/* The subnets that the agent would create an ENI in, best first, into todo. */
void agent_choose_subnets(struct sim_agent *agent);

/* agent.c */
void agent_started(struct sim_agent *agent); /* serves from now on */
void agent_crash(struct sim_agent *agent, const char *why);
void agent_tick_done(struct sim_agent *agent);        /* the pool's half of the loop */
void agent_reconcile_done(struct sim_agent *agent);   /* the other half */
void agent_reconcile_failed(struct sim_agent *agent); /* tried again in the next slot */
/* What the checkpoint file says, into the new store. */
void agent_restore_pods(struct sim_agent *agent);

#endif
