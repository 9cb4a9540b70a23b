/*
 * state.h - the planner's rows, shared by the files of src/plan and by nobody else.
 *
 *   pool --< group (pool, zone) >-- zone --< subnet
 *              |                               ^
 *              +--< node --< node_eni ---------+      link: one pool's view of one subnet
 *                     +--< order (in flight) --+      leftover: an own ENI without an instance
 *
 * Rows are named by u32 handles and stay where they are; INDEX_NONE is none. What an event changes
 * marks nodes dirty; a step decides dirty nodes anew, serves the neediest, and reports what
 * changed.
 */
#ifndef PLAN_STATE_H
#define PLAN_STATE_H

#include <headroom/index.h>
#include <headroom/plan.h>
#include <headroom/prng.h>
#include <headroom/timers.h>

#include "strings.h"

#define SECOND_NS UINT64_C(1000000000)
#define MINUTE_NS (60 * SECOND_NS)

/* From attach to adoption at most: the agent's reconcile, its loop and the attach itself. */
#define ADOPTION_NS (75 * SECOND_NS)
/* Until the agent finds addresses that it has not asked for, on an ENI that it has. */
#define UNSEEN_NS (65 * SECOND_NS)
/* An agent that could get on has done so by then. */
#define STUCK_NS (20 * SECOND_NS)
/* An agent that has freed what came finds addresses elsewhere: those that pods leave rest for 30 s,
 * and pods ask again each 10 to 15 s. Ours would come later, by adoption, and be freed again. */
#define ELSEWHERE_NS (45 * SECOND_NS)
/* Low for longer than its pause after a refusal and a round of its loop, and nothing got: it gets
 * none. */
#define IN_VAIN_NS (200 * SECOND_NS)
/* So long an ENI that was freed soon is remembered; and longer after each. */
#define HAND_BACK_NS (10 * MINUTE_NS)
/* An attach has long ended then, unless EC2 is slow or throttles. */
#define SOON_NS (5 * SECOND_NS)
/* The agent lets an address that a pod has left rest for 30 s; pods ask again each 10 to 15 s. */
#define COOLING_NS (25 * SECOND_NS)

/* A round of the agent's loop, in which it gives back what it does not want. */
#define ROUND_NS (5 * SECOND_NS)

/* A sweep has an answer by then, or never gets one. */
#define SWEEP_NS (15 * SECOND_NS)

enum {
    NONE = INDEX_NONE,
    PREFIX_IPS = 16,        /* addresses of a /28 */
    SUBNET_RESERVED = 5,    /* the first four and the last address are AWS's */
    DEFAULT_MAX_PODS = 110, /* the agent's own fallback */
};

/* ---- subnets ---- */

struct subnet_row {
    struct aws_id id, vpc;
    uint32_t zone; /* handle; NONE until it was read */
    struct cidr cidr;
    enum route_kind route_kind;
    bool known; /* in the last read; else only named by an ENI */
    bool usable;
    bool excluded;  /* role/cni = 0, or tagged for other clusters only: never used for pods */
    bool cni_tag;   /* the agent's discovery may choose it */
    uint32_t *tags; /* key, value, key, value ...: strings */
    uint32_t tag_count;
    uint32_t total, available;
    uint64_t asked_ns, observed_wall_ns; /* 0: never */

    uint32_t debit_ips, debit_blocks; /* orders that no observation includes yet */
    uint32_t own_taken; /* of ours, taken over by observations since the last one: no decline */

    bool mapped;               /* a sweep has shown the addresses of its ENIs */
    uint64_t mapped_ns;        /* when that sweep began */
    uint32_t blocks;           /* whole /28 then */
    uint32_t mapped_available; /* by the first read after it; 0: none yet */
    uint32_t held_back;        /* free addresses then that reservations keep from plain use */
    uint32_t reserved;         /* addresses in reservations: the guess until a sweep tells */
    struct cidr_reservation *reservations;
    uint32_t reservation_count, reservation_capacity;

    double fast_per_s, slow_per_s, long_per_s; /* decline of `available` without our own doing */
    uint64_t declined_ns;                      /* the last read that showed a decline */
    uint64_t declining_ns; /* since when reads show declines without a long break; 0: none */

    uint64_t refused_ns;       /* EC2 said full: only a read that began later reopens */
    uint64_t refused_until_ns; /* and not before this */
    uint64_t refused_blocks_ns, refused_blocks_until_ns;
    uint32_t refusals;
    bool refused, refused_blocks;

    uint32_t seen_free, seen_blocks; /* as the nodes that depend on it were last told */
    bool touched;
};

struct zone_row {
    uint32_t name; /* string */
    uint32_t *subnets;
    uint32_t subnet_count, subnet_capacity;
    uint32_t *starved; /* nodes that wait for capacity here */
    uint32_t starved_count, starved_capacity;
    uint64_t sizes; /* bit n: some node's next step wants n addresses (63: or more) */
};

/* ---- pools ---- */

struct link {
    bool member;
    uint8_t term;  /* which selector term: the order of STRATEGY_ORDERED */
    uint8_t state; /* enum subnet_state, with hysteresis */
    bool stated;   /* state was set once */
    bool dying;    /* as the nodes were last told: is not Healthy after the lead time */
    bool leaving;  /* likewise: dying, or ends before all nodes that depend on it were reached */
    bool ending;   /* likewise: before an ENI that is attached now would be adopted */
};

enum {
    CONDITION_Ready,
    CONDITION_SubnetsReady,
    CONDITION_CapacityHealthy,
    CONDITION_CloudAPIHealthy,
    CONDITION_AgentCompatible
};

struct pool_condition {
    enum condition_value value;
    uint64_t since_wall_ns;
};

/* How a node stands, for the counts in the pool's status. */
enum node_class { CLASS_NONE, CLASS_COVERED, CLASS_AT_RISK, CLASS_EXHAUSTED, CLASS_COUNT };

struct pool_row {
    struct arena arena; /* of the deep copy */
    struct pool pool;
    bool live;
    struct link *links; /* by subnet */
    uint32_t link_count, link_capacity;
    uint32_t members;
    uint32_t *groups; /* its groups */
    uint32_t group_count, group_capacity;
    uint32_t classes[CLASS_COUNT];
    uint32_t own_enis, active;        /* attached with our tag; orders under way */
    bool groups_missing;              /* securityGroupSelectorTerms match nothing */
    uint64_t tokens_milli, tokens_ns; /* attachPerMinute as a bucket */
    struct pool_condition conditions[POOL_CONDITIONS];
    bool conflict_told, not_found_told;

    bool dirty;  /* something of its status may have changed */
    bool urgent; /* a state, a condition, a membership: told at once */
    bool told;
    uint64_t told_ns, told_states, told_counts;
    enum cloud_code cloud_told;
    bool incompatible_told;
};

struct group {
    uint32_t pool, zone;
    uint32_t *nodes;
    uint32_t count, capacity;
};

/* ---- nodes ---- */

/* What each decision reads stands first. */
struct node_eni {
    uint32_t subnet;
    uint16_t ips, prefixes;
    uint16_t unseen; /* of both: given by us to an adopted ENI, and not found by the agent yet */
    uint8_t device_index, card, type;
    bool ours, adopted;
    bool unmanaged;   /* the agent leaves it alone */
    bool told;        /* users know that the agent does not adopt it */
    bool provisional; /* from a result, not yet from a read */
    bool delete_on_termination;
    bool owner_tag;
    uint64_t since_ns;  /* attached, or first seen */
    uint64_t unseen_ns; /* when the agent has found them */
    uint32_t pool;      /* string: whose ENI it is; 0: not ours */
    struct aws_id id;
};

/* An ENI of a read that no node has taken yet; holds its strings. */
struct seen_eni {
    struct aws_id instance;
    struct node_eni eni;
    uint32_t groups; /* string: of a primary ENI, joined by commas */
};

enum node_want { WANT_NOTHING, WANT_FILLED, WANT_BARE, WANT_ASSIGN };

/* In the order of use, since a large cluster lies in memory and not in the cache: what a change of
 * the pods' count reads, what each decision reads, and what few do. */
struct node_row {
    struct slice name_text; /* of `name`: spares the index a step */
    struct node_eni *enis;  /* no room beyond them: there are as many arrays as nodes */
    uint64_t pods_ns;       /* last change of the count, for the rate */
    uint64_t cooled_ns;     /* since when `cooled[0]` counts addresses that pods have left */
    uint32_t cooled[2];     /* for so long as COOLING_NS; in the time before that */
    float pods_per_s;
    uint32_t holding, waiting, branch;

    uint32_t eni_count;
    uint32_t max_pods, zone, type, pool;
    uint32_t orders; /* the first of its list */
    uint32_t starved_at;
    uint32_t holding_at_read; /* pods when the ENIs were read */
    uint64_t enis_asked_ns;
    uint64_t waiting_ns; /* since when pods wait without a break; 0: none do */
    bool live, unschedulable, agent_ready, enis_known;
    bool condition_set, taint_set; /* as told by us or shown by Kubernetes */
    bool dry_run_told;             /* what would be done has been told */
    bool dirty, timed,
        queued; /* in the list of dirty nodes, among the timers, in the needy queue */
    uint8_t kind, class, want, urgency; /* the decision: here, and what follows */
    bool low, can_grow;

    uint32_t subnet, ips, prefixes, device_index, stall_in_s;
    uint32_t low_reads;
    uint32_t low_addresses; /* at low_ns */
    uint64_t low_ns;        /* since when it is low and gets none, though it could; 0: it is not */
    uint64_t could_ns;      /* since when pods wait though the agent could grow; 0: they do not */
    uint64_t cooldown_ns;   /* the agent has failed and asks for nothing before this */
    uint64_t recheck_ns; /* soon after an adoption the agent gives surplus back: read again then */
    uint64_t hand_back_ns; /* until then an early ENI would be freed again */

    uint64_t recovered_ns, since_wall_ns, observe_sent_ns;
    uint64_t backoff_ns, mended_ns;
    uint32_t could_holding; /* pods that had an address at could_ns */
    uint32_t hand_backs;
    uint8_t exclusion;
    bool type_told, counted_waiting;
    enum cloud_code failed;

    struct aws_id instance;
    uint32_t name, eniconfig; /* strings */
    uint32_t *labels;         /* key, value, key, value ...: strings */
    uint32_t label_count;
    uint32_t groups; /* string: the primary ENI's, joined by commas */
    uint32_t group, group_at, listed_at;
    uint32_t salt, attempts;
    uint64_t index_refused; /* device indexes that EC2 said are in use, until the next read */
};

/* ---- what is under way ---- */

enum order_kind { ORDER_ATTACH, ORDER_ASSIGN, ORDER_DELETE };

struct order {
    uint64_t id; /* 0: a free row */
    enum order_kind kind;
    uint32_t node, pool, subnet, next; /* next: of the same node */
    struct aws_id eni, instance;
    uint32_t device_index, ips, prefixes;
    char token[CLIENT_TOKEN_MAX];
    uint8_t urgency;
    bool over;   /* ended; kept until its debit is taken over */
    bool again;  /* outcome unknown: to be sent once more with the same token */
    bool listed; /* its ENI is in the node's row */
    bool mend;   /* only DeleteOnTermination is missing */
    uint32_t debit_ips, debit_blocks, tries;
    uint64_t began_ns, created_ns;
};

/* An own ENI that exists and is attached to nothing. */
struct leftover {
    struct aws_id eni;
    uint32_t node, subnet; /* NONE: of no node that we know */
    uint32_t ips, prefixes, pool;
    uint64_t since_ns, seen_ns, retry_ns; /* first and last seen; the next try to delete it */
    bool live, ordered, doomed; /* an order works on it; it is to be deleted whatever its node needs
                                 */
    uint32_t tries;
};

/* Addresses in use in a subnet: a bit for each of the 65,536 of which the subnet is a part. */
struct address_map {
    uint8_t *used; /* NULL: none */
    uint32_t base;
};

/* A sweep of which some pages have come. What nodes have changes when it is whole. */
struct sweep {
    struct seen_eni *enis;
    uint32_t eni_count, eni_capacity;
    struct address_map *maps; /* by subnet */
    uint32_t map_count;
    uint64_t began_ns; /* when the first page came */
};

struct type_row {
    uint32_t name;
    struct instance_type limits;
    bool known, unknown; /* unknown: EC2 does not know it either */
};

struct eniconfig_row {
    uint32_t name, groups; /* strings; groups joined by commas */
    uint32_t subnet;
    bool live;
};

struct group_row {
    struct aws_id id;
    uint32_t *tags;
    uint32_t tag_count;
};

struct planner {
    struct plan_config config;
    uint32_t cluster; /* string */
    struct prng prng;
    uint64_t now_ns, wall_ns;
    struct strings strings;
    struct arena arena; /* of the step */
    struct plan_action *actions;
    uint32_t action_count, action_capacity;
    struct log_list logs;

    bool synced, kube_stale, leader, have_subnets, have_groups, have_agent;
    uint32_t handovers; /* of the Lease, when it was ours last */
    uint64_t bets_ns;   /* not before this an ENI that its agent is likely to free */
    uint64_t leader_ns, swept_ns, sweep_sent_ns, sweep_due_ns, subnets_sent_ns, subnets_asked_ns;
    bool swept, was_acting;
    struct agent_settings agent;
    struct arena agent_arena;
    enum cloud_code cloud;
    struct arena cloud_arena;
    struct slice cloud_operation, cloud_message;
    uint64_t quota_until_ns, denied_until_ns;
    enum cloud_code quota;
    uint32_t quota_tries, denied_tries;
    bool denied;
    uint32_t pace_ms;
    uint64_t pace_ns, pace_asked_ns; /* since when this pace is right; the read it was judged by */

    struct node_row *nodes;
    uint32_t node_count, node_capacity, node_unused;
    uint32_t *listed; /* live nodes in the order of the views */
    uint32_t listed_count, listed_capacity;
    struct index node_names, node_instances;
    struct subnet_row *subnets;
    uint32_t subnet_count, subnet_capacity;
    struct index subnet_ids;
    struct zone_row *zones;
    uint32_t zone_count, zone_capacity;
    struct pool_row *pools;
    uint32_t pool_count, pool_capacity;
    struct group *groups;
    uint32_t group_count, group_capacity;
    struct type_row *types;
    uint32_t type_count, type_capacity;
    struct eniconfig_row *eniconfigs;
    uint32_t eniconfig_count, eniconfig_capacity;
    struct group_row *security_groups;
    uint32_t security_group_count, security_group_capacity;

    struct order *orders;
    uint32_t order_count, order_capacity, order_unused;
    uint64_t order_sequence;
    uint32_t active[URGENCY_COUNT];
    struct leftover *leftovers;
    uint32_t leftover_count, leftover_capacity;
    struct sweep sweep;

    uint32_t *dirty;
    uint32_t dirty_count, dirty_capacity;
    bool more_waiting;      /* a dirty node may have pods that wait */
    struct timers timers;   /* by node */
    struct timers needy;    /* nodes that may be served, by priority */
    uint32_t waiting_nodes; /* pods wait there and the agent cannot grow */
};

static inline uint32_t smaller(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static inline uint32_t larger(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}

static inline int64_t lower(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static inline int64_t higher(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static inline uint64_t sooner(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static inline uint64_t later(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* What is left of a when b is taken. */
static inline uint32_t less(uint32_t a, uint32_t b)
{
    return a - smaller(a, b);
}

/* ---- expect.c ---- */

/* Asks memory for all that decisions about these nodes read, before the first is waited for. */
void plan_fetch(const struct planner *p, const uint32_t *nodes, uint32_t count);

/* ---- step.c: what a step gathers ---- */

struct plan_action *plan_add(struct planner *p, enum plan_action_kind kind);
struct log_record *plan_log(struct planner *p, enum log_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
bool plan_acting(const struct planner *p);
void plan_dirty(struct planner *p, uint32_t node);
void plan_dirty_all(struct planner *p);
void plan_dirty_pool(struct planner *p, uint32_t pool);
void plan_dirty_zone(struct planner *p, uint32_t zone);
/* Moves the node's next look to at_ns if that is sooner. */
void plan_wake(struct planner *p, uint32_t node, uint64_t at_ns);
struct slice plan_text(const struct planner *p, uint32_t string);
struct slice plan_cluster(const struct planner *p);
/* Reads that are asked for, not more often than is sane. False: one is on its way, or it is too
 * soon. */
bool plan_observe(struct planner *p, uint32_t node, enum urgency urgency);
void plan_observe_subnets(struct planner *p, uint64_t apart_ns);
void plan_sweep(struct planner *p, uint64_t apart_ns);
/* The first one under this lease, without which nothing is done: when it is due, as long as no
 * answer comes; one is on its way. */
uint64_t plan_first_sweep_ns(const struct planner *p);
bool plan_sweep_coming(const struct planner *p);

/* ---- cluster.c: what Kubernetes shows ---- */

void cluster_node(struct planner *p, const struct node *node);
void cluster_node_gone(struct planner *p, struct slice name);
void cluster_pods(struct planner *p, const struct plan_event *event);
void cluster_agent_pod(struct planner *p, struct slice node, bool ready);
void cluster_agent(struct planner *p, const struct agent_settings *agent);
void cluster_eniconfig(struct planner *p, const struct eniconfig *eniconfig);
void cluster_eniconfig_gone(struct planner *p, struct slice name);
uint32_t cluster_find(const struct planner *p, struct slice name);
uint32_t cluster_zone(struct planner *p, struct slice name);
uint32_t cluster_type(struct planner *p, struct slice name);
void cluster_type_limits(struct planner *p, const struct instance_type *type);
void cluster_type_unknown(struct planner *p, struct slice name);
/* The node's ENIConfig under custom networking; NULL: none. */
const struct eniconfig_row *cluster_eniconfig_of(const struct planner *p,
                                                 const struct node_row *node);

/* ---- pools.c ---- */

void pools_set(struct planner *p, const struct pool *pool);
void pools_gone(struct planner *p, struct slice name);
uint32_t pools_find(const struct planner *p, struct slice name);
void pools_tell_conflicts(struct planner *p); /* those from before there was somebody to tell */
void pools_place(struct planner *p, uint32_t node); /* which pool serves it, and its group */
void pools_unplace(struct planner *p, uint32_t node);
void pools_starve(struct planner *p, uint32_t node); /* it waits for capacity in its zone */
void pools_unstarve(struct planner *p, struct node_row *node);
void pools_link(struct planner *p, uint32_t subnet); /* what every pool thinks of the subnet */
void pools_security_groups(struct planner *p, const struct plan_group *groups, uint32_t count);
/* Ids of the groups for an ENI of this node, in the step's arena; 0: none known. */
uint32_t pools_groups_of(struct planner *p, const struct node_row *node, const struct aws_id **ret);
void pools_touch(struct planner *p, uint32_t pool, bool urgent);
bool pools_take(struct planner *p, uint32_t pool, bool spend);  /* attachPerMinute, maxENIs */
uint64_t pools_next_ns(const struct planner *p, uint32_t pool); /* when a token is there again */

/* ---- subnet.c ---- */

uint32_t subnet_handle(struct planner *p, const struct aws_id *id);
void subnet_observe(struct planner *p, const struct plan_event *event);
/* The addresses of an ENI of the sweep that is under way, and what all of them leave. */
void subnet_note_eni(struct planner *p, const struct eni *eni);
void subnet_map(struct planner *p, uint64_t asked_ns);
void subnet_drop_map(struct sweep *sweep, uint32_t subnet);
/* For plain use: as observed, less what is in flight and what reservations keep. */
uint32_t subnet_free(const struct subnet_row *s);
uint32_t subnet_blocks(const struct subnet_row *s);
uint32_t subnet_exhausted_in_s(const struct subnet_row *s);
void subnet_refused(struct planner *p, uint32_t subnet, enum cloud_code code, bool prefixes);
/* Has anything that others depend on crossed a line? Marks them. Call after each change of a
 * subnet's numbers. */
void subnet_settle(struct planner *p, uint32_t subnet);
/* A node of the zone is to be decided anew when a subnet comes to have n addresses or blocks, or no
 * longer has them. */
void subnet_watch_size(struct planner *p, uint32_t zone, uint32_t n);
/* Which of these lie between two counts: above the smaller, up to the larger one. */
uint64_t subnet_sizes_between(uint32_t a, uint32_t b);
bool subnet_dying(const struct planner *p, uint32_t pool, uint32_t subnet);
bool subnet_leaving(const struct planner *p, uint32_t pool, uint32_t subnet);
bool subnet_ending(const struct planner *p, uint32_t pool, uint32_t subnet);
enum subnet_state subnet_state_of(const struct planner *p, uint32_t pool, uint32_t subnet);
void subnet_tick(struct planner *p);

/* ---- enis.c: what nodes have ---- */

void enis_observe(struct planner *p, const struct plan_event *event);
/* An ENI of an instance as a read shows it. False: it says nothing about the instance's slots. */
bool enis_see(struct planner *p, const struct eni *eni, struct seen_eni *ret);
/* All ENIs of one node, from one read; takes what they hold. */
void enis_replace(struct planner *p, uint32_t node, struct seen_eni *const *seen, uint32_t count,
                  uint64_t asked_ns);
void enis_unsee(struct planner *p, struct seen_eni *seen); /* nobody has taken it */
/* An ENI that a result says is attached now. */
void enis_attached(struct planner *p, const struct order *order);
void enis_clear(struct planner *p, struct node_row *node);
struct node_eni *enis_find(struct node_row *node, const struct aws_id *id);
/* What only the agent can have done shows that it has adopted an ENI. */
void enis_find_adoption(struct planner *p, struct node_row *node);

/* ---- sweep.c: every ENI of the VPC, page by page ---- */

void sweep_page(struct planner *p, const struct plan_event *event);
void sweep_drop(struct planner *p);

/* ---- node.c: arithmetic ---- */

enum agent_mode { MODE_ENI, MODE_IP, MODE_PREFIX };

/* What one node's agent has, sees and wants; addresses, unless said otherwise. */
struct view {
    enum agent_mode mode;
    bool prefixes; /* counts /28 only */
    uint32_t k;    /* slots for addresses or prefixes of an ENI */
    uint32_t unit; /* addresses in a slot: 1 or 16 */
    uint32_t warm_enis, warm_ips, min_ips, warm_prefixes;
    uint32_t max_pods;
    uint32_t holding, waiting;
    uint32_t addresses; /* on ENIs that the agent has adopted */
    uint32_t coming;    /* on ENIs that it has not, or that are under way */
    uint32_t coming_enis;
    uint32_t slots_used, slots; /* of the instance, in use and usable by us */
    uint32_t agent_slots;       /* that the agent would use: within MAX_ENI */
    bool trunk_slot;            /* one more is kept for a trunk */
    int32_t avail;              /* addresses less holding */
    uint32_t cooling;           /* of them at most: pods have left them a moment ago */
    int32_t left;               /* avail plus coming less waiting */
    uint32_t warm_target;       /* free addresses that the agent wants */
    bool low;                   /* the agent would say so, of `left` */
    bool short_now;             /* more pods wait than there are addresses for */
    bool can_grow_now, can_grow_soon, can_grow_later, can_grow_lasting;
    bool will_grow;       /* once it adopts what is coming */
    bool fails;           /* the agent is low and gets nothing: it falls silent for 120 s */
    bool new_eni_lasting; /* it can make an ENI of its own in a subnet that lasts */
    uint32_t room;        /* what ENIs in subnets that last, adopted or not, can still take */
    uint32_t reach;       /* pods that the node should be able to take without help */
    uint32_t ahead;       /* pods that may come while an ENI is attached and adopted */
    uint32_t hand_backs;  /* ENIs that the agent freed soon, and lately */
};

void node_view(const struct planner *p, const struct node_row *node, struct view *ret);
/* How many addresses make the agent content without being freed again; never more than k slots. In
 * addresses. */
uint32_t node_wanted(const struct view *v, uint32_t min_ips);
/* With what is there and the room that lasts, it gets through the time that help would take. */
bool node_is_ahead(const struct view *v);
/* Addresses of an ENI that comes ahead of need. */
uint32_t node_early_ips(const struct view *v);
/* An ENI that comes ahead of need would be kept. */
bool node_keeps_early(const struct planner *p, const struct node_row *node, const struct view *v);
/* Addresses that pods have left within the last COOLING_NS to twice that. */
uint32_t node_cooling(const struct planner *p, const struct node_row *node);
/* Pods that wait so long although the agent could grow: it is in its pause, or counts deceive. */
uint64_t node_stuck_ns(const struct view *v);
/* Until when an agent that has lately freed one of ours is not given what its node needs; and what
 * is said of one that is not given an ENI: when the next one may come. */
uint64_t node_pause_ends_ns(const struct node_row *node, const struct view *v);
uint64_t node_next_eni_ns(const struct planner *p, const struct node_row *node,
                          const struct view *v);
/* Since when pods of a node that is short now wait, or hold more addresses than there are. */
uint64_t node_short_since_ns(const struct node_row *node);
/* Of a node whose ENIs are known. */
uint32_t node_primary_subnet(const struct node_row *node);
bool node_eligible(const struct planner *p, const struct node_row *node,
                   const struct node_eni *eni);
/* Seconds until pods wait; FORECAST_NEVER_S. */
uint32_t node_stall_in_s(const struct planner *p, const struct node_row *node,
                         const struct view *v);

/* ---- choose.c ---- */

struct choice {
    uint32_t subnet;
    uint32_t ips, prefixes;
};

/* A subnet that lasts for an ENI ahead of need; false: none. */
bool choose_early(const struct planner *p, const struct node_row *node, const struct view *v,
                  struct choice *ret);
/* A subnet for one more ENI of the node: with `wanted` slots (addresses or prefixes), less where
 * little is left: `least` in a subnet that is low, what is there where nobody has so many.
 * False: none has room for one. */
bool choose_subnet(const struct planner *p, const struct node_row *node, const struct view *v,
                   uint32_t wanted, uint32_t least, struct choice *ret);
bool choose_index(const struct planner *p, const struct node_row *node, const struct view *v,
                  uint32_t *ret);
/* May an ENI of this node lie in this subnet, by zone, pool, tags and routes? */
bool choose_fits(const struct planner *p, const struct node_row *node, uint32_t subnet);

/* ---- decide.c ---- */

void decide(struct planner *p, uint32_t node);
void decide_serve(struct planner *p);
void decide_kind(struct planner *p, struct node_row *node, enum plan_decision_kind kind);

/* ---- look.c ---- */

/* Wakes the node and reads its ENIs when the agent may have changed them; mends what of ours needs
 * it. */
void look_after(struct planner *p, uint32_t node, const struct view *v);

/* ---- ledger.c ---- */

struct order *ledger_attach(struct planner *p, uint32_t node, const struct choice *choice,
                            uint32_t device_index, enum urgency urgency);
struct order *ledger_resume(struct planner *p, uint32_t node, struct leftover *leftover,
                            uint32_t device_index, enum urgency urgency);
void ledger_mend(struct planner *p, uint32_t node, const struct node_eni *eni);
struct order *ledger_assign(struct planner *p, uint32_t node, const struct node_eni *eni,
                            uint32_t slots, bool prefixes, enum urgency urgency);
void ledger_delete(struct planner *p, struct leftover *leftover);
void ledger_result(struct planner *p, const struct cloud_result *result);
void ledger_again(struct planner *p, uint32_t node); /* re-sends what is due */
/* Which orders a read of the subnets that began then includes. */
void ledger_settle(struct planner *p, uint64_t asked_ns);
void ledger_forget_node(struct planner *p, uint32_t node);
void ledger_find_node(struct planner *p, uint32_t node);
void ledger_forget_pool(struct planner *p, uint32_t pool);
/* Whether an order that is under way is for this ENI, or has this token. */
bool ledger_works_on(const struct planner *p, const struct aws_id *eni);
bool ledger_has_token(const struct planner *p, struct slice token);
/* The first order of the node that is under way; NULL: none. */
struct order *ledger_active(const struct planner *p, const struct node_row *node);

/* ---- leftover.c ---- */

void leftover_found(struct planner *p, const struct eni *eni);
struct leftover *leftover_add(struct planner *p, const struct aws_id *eni, uint32_t node,
                              uint32_t subnet, uint32_t ips, uint32_t prefixes, uint32_t pool);
void leftover_deleted(struct planner *p, const struct aws_id *eni, bool deleted, bool settled);
void leftover_swept(struct planner *p, uint64_t asked_ns, uint64_t began_ns);
void leftover_drop(struct planner *p, const struct aws_id *eni);
void leftover_release(struct planner *p, const struct aws_id *eni);
struct leftover *leftover_of(const struct planner *p, uint32_t node); /* one to finish; NULL: none
                                                                       */
void leftover_forget_node(struct planner *p, uint32_t node);
void leftover_forget_pool(struct planner *p, uint32_t pool);
void leftover_tick(struct planner *p);
uint64_t leftover_deadline_ns(const struct planner *p);

/* ---- report.c, status.c ---- */

void report_pool_event(struct planner *p, uint32_t pool, enum event_reason reason, bool warning,
                       struct slice message);
void report_node_event(struct planner *p, const struct node_row *node, enum event_reason reason,
                       bool warning, struct slice message);
void report_node(struct planner *p, uint32_t node, const struct view *v); /* condition, taint,
                                                                             episode events */
void report_node_clear(struct planner *p, struct node_row *node);
void report_subnet(struct planner *p, uint32_t pool, uint32_t subnet, enum subnet_state old);
struct slice report_detail(const struct planner *p, struct arena *arena,
                           const struct node_row *node, const struct view *v);
/* Why a node is at risk, and what to do; nothing that is wrong a minute later. */
struct slice report_risk(const struct planner *p, struct arena *arena, const struct node_row *node);
void report_refusal(struct planner *p, const struct order *order,
                    const struct cloud_result *result);
void report_attached(struct planner *p, const struct order *order);
void report_unadopted(struct planner *p, const struct node_row *node, const struct node_eni *eni);
void status_tick(struct planner *p);
uint64_t status_deadline_ns(const struct planner *p);
void status_build(struct planner *p, uint32_t pool, struct pool_status *ret);
void status_class(struct planner *p, struct node_row *node, enum node_class class);

#endif
