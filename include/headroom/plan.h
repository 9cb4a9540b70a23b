/*
 * plan.h - the planner: what the project exists for. Pure: events in, actions out.
 *
 *   kube: node, pods, pool, agent ---+                    +--> attach / assign / delete   (ec2)
 *   ec2:  subnets, ENIs, types ------+--> plan_step() ----+--> observe                    (ec2)
 *   results of earlier actions ------+                    +--> event, status, condition   (kube)
 *
 * Knows no clock, no I/O, no bytes, no global. Time comes with the event; randomness from the seed.
 * The same events give the same actions. The cost of an event does not grow with the cluster.
 *
 * Ownership: what an event points to is borrowed for the call; what an action points to lives until
 * the next plan_step. Each attach, assign and delete comes back as PLAN_RESULT events with its id:
 * any number of progress stages, then exactly one DONE or FAILED. The planner assumes nothing about
 * them before.
 */
#ifndef HEADROOM_PLAN_H
#define HEADROOM_PLAN_H

#include <headroom/log.h>
#include <headroom/model.h>

struct planner;

struct plan_config {
    uint64_t seed;
    struct slice cluster_name; /* empty: taken from the agent's CLUSTER_NAME */
    bool dry_run;              /* plans and reports everything, acts on nothing */
    uint64_t
        leak_grace_ns; /* age of an own unattached ENI before it is finished or deleted; 0: 90 s */
};

/* config is copied. */
struct planner *plan_new(const struct plan_config *config);
void plan_free(struct planner *planner);

enum plan_event_kind {
    PLAN_TICK,           /* only time has passed */
    PLAN_NODE,           /* a node is there or has changed */
    PLAN_NODE_GONE,      /* .name */
    PLAN_PODS,           /* counts of a node's pods have changed */
    PLAN_AGENT_POD,      /* the node's aws-node pod */
    PLAN_POOL,           /* a SubnetPool is there or has changed */
    PLAN_POOL_GONE,      /* .name */
    PLAN_AGENT,          /* settings of the aws-node DaemonSet */
    PLAN_ENICONFIG,      /* .eniconfig */
    PLAN_ENICONFIG_GONE, /* .name */
    PLAN_KUBE_SYNCED,    /* every first list is in: from now on what is not known is not there */
    PLAN_KUBE_STALE,   /* .stale: the watch is behind (true) or fresh again; no action meanwhile */
    PLAN_LEASE,        /* .leader, .handovers */
    PLAN_SUBNETS,      /* all subnets of the VPC, one consistent read */
    PLAN_ENIS,         /* the ENIs of some instances, complete for each of them */
    PLAN_SWEEP,        /* every ENI of the VPC, others' too, page by page: /28 maps, leftovers */
    PLAN_TYPE,         /* .type: limits of an instance type */
    PLAN_TYPE_UNKNOWN, /* .name: EC2 does not know it and neither does the table */
    PLAN_GROUPS,       /* security groups of the VPC, for securityGroupSelectorTerms */
    PLAN_RESULT,       /* how an action went on */
    PLAN_CLOUD         /* .cloud: health of the EC2 API as a whole */
};

struct plan_group {
    struct aws_id id, vpc;
    const struct pair *tags;
    uint32_t tag_count;
};

struct plan_event {
    enum plan_event_kind kind;
    uint64_t now_ns;  /* monotonic, never less than before */
    uint64_t wall_ns; /* since 1970, for people and for age of data only */
    union {
        struct slice name;
        struct node node;
        struct {
            struct slice node;
            uint32_t holding; /* pods with an address of the VPC CNI's ENIs */
            uint32_t waiting; /* bound, not host network, not finished, no address yet */
            uint32_t
                branch; /* of both: pods on branch ENIs, which take no address from the node's */
        } pods;
        struct {
            struct slice node;
            bool ready;
        } agent_pod;
        struct pool pool;
        struct agent_settings agent;
        struct eniconfig eniconfig;
        bool stale;
        struct {
            bool leader;
            uint32_t handovers; /* of the Lease so far: 0: nobody else has led yet */
        };
        struct {
            const struct subnet *subnets;
            uint32_t count;
            uint64_t
                asked_ns; /* monotonic time when the read began: what ended before is included */
        } subnets;
        struct {
            const struct aws_id *instances; /* PLAN_ENIS: those that the answer is complete for */
            uint32_t instance_count;
            const struct eni *enis;
            uint32_t count;
            uint64_t asked_ns; /* when the read began, of all its pages */
            /* PLAN_SWEEP: not the read's first page; not its last. A read that breaks off has no
             * last one: the next begins with a first page. */
            bool continued, more;
        } enis; /* PLAN_ENIS, PLAN_SWEEP */
        struct instance_type type;
        struct {
            const struct plan_group *groups;
            uint32_t count;
        } groups;
        struct cloud_result result;
        struct {
            enum cloud_code code; /* OK, THROTTLED, DENIED, UNAVAILABLE */
            struct slice operation, message;
        } cloud;
    };
};

/* Why a node gets nothing now, or what it got: one at a time for each node, with its inputs; shown
 * by `--once -o json`, `headroom explain`, the page. Texts say it to users. */
#define PLAN_DECISIONS(X)                                                                          \
    X(NoPool, "no SubnetPool selects this node")                                                   \
    X(Excluded, "Headroom leaves this kind of node alone")                                         \
    X(Incomplete, "not everything about the node is known yet")                                    \
    X(Enough, "the node has enough addresses")                                                     \
    X(Cooling, "pods have just left the free addresses, and the agent lets each rest for 30 s")    \
    X(AgentCanGrow, "the node's agent can get the next address by itself")                         \
    X(Attaching, "an ENI is being attached")                                                       \
    X(Adopting, "an ENI or more addresses are there, the agent has not found them yet")            \
    X(Attach, "an ENI is to be attached")                                                          \
    X(Assign, "an attached ENI is given more addresses")                                           \
    X(AtENILimit, "all ENI slots of the instance are in use")                                      \
    X(AtPodLimit, "the node has as many addresses as pods fit on it")                              \
    X(NoHealthySubnet, "no subnet of the pool in the node's zone has enough free addresses")       \
    X(PoolLimit, "a limit of the pool is reached")                                                 \
    X(Backoff, "the last try failed, the next one is due later")                                   \
    X(HandedBack, "the agent freed the last ENI, a new one would be freed again")                  \
    X(Paused, "the pool is paused")                                                                \
    X(DryRun, "an ENI would be attached, or given more addresses, but this is a dry run")          \
    X(Stale, "the data is too old to act on")                                                      \
    X(NotLeader, "another replica holds the lease")                                                \
    X(Queued, "other nodes are served first")                                                      \
    X(CloudQuota, "an account or VPC quota is reached")

enum plan_decision_kind {
#define X(name, text) PLAN_DECISION_##name,
    PLAN_DECISIONS(X)
#undef X
};

const char *plan_decision_name(enum plan_decision_kind kind);
const char *plan_decision_text(enum plan_decision_kind kind);

struct plan_decision {
    struct slice node, pool, zone, instance_type; /* slices of the planner: until the next step */
    struct aws_id instance;
    enum plan_decision_kind kind;
    enum node_exclusion exclusion;
    uint32_t addresses, holding, waiting, avail; /* inputs */
    uint32_t warm_target;                        /* what the agent wants to have free */
    uint32_t enis, eni_limit;
    uint32_t stall_in_s;  /* forecast; FORECAST_NEVER_S */
    struct aws_id subnet; /* where something is, or would be, given; empty: nothing */
    uint32_t ips, prefixes, device_index; /* what, with a new ENI or for the one at this index */
    bool low, agent_can_grow;
    uint64_t since_wall_ns;
    struct slice detail; /* one sentence with numbers */
};

enum plan_action_kind {
    PLAN_ATTACH,  /* .attach: create (or take .eni), attach, DeleteOnTermination */
    PLAN_ASSIGN,  /* .assign: more addresses on an attached ENI */
    PLAN_DELETE,  /* .eni: an unattached ENI of ours that nobody needs */
    PLAN_OBSERVE, /* .instance: read its ENIs soon; "": every ENI of the VPC, a PLAN_SWEEP */
    PLAN_OBSERVE_SUBNETS, /* read the subnets now, e.g. after a surprise */
    PLAN_NEED_TYPE,       /* .type_name: look up an instance type's limits */
    PLAN_SUBNET_PACE,     /* .pace_ms: how often subnets are to be read from now on */
    PLAN_EVENT,           /* .event */
    PLAN_POOL_STATUS,     /* .pool_status: it changed in a way that matters */
    PLAN_NODE_CONDITION,  /* .condition: set or clear SufficientIP=False */
    PLAN_NODE_TAINT       /* .taint: set or clear */
};

struct plan_action {
    enum plan_action_kind kind;
    uint64_t id;          /* ATTACH, ASSIGN, DELETE: unique in the planner's life, never 0 */
    enum urgency urgency; /* ATTACH, ASSIGN, DELETE, OBSERVE */
    uint32_t rank;        /* among equals in urgency: lower is needier */
    union {
        struct eni_intent attach;
        struct {
            struct aws_id eni, instance;
            uint32_t ips, prefixes;
        } assign;
        struct aws_id eni;
        struct aws_id instance;
        struct slice type_name;
        uint32_t pace_ms;
        struct user_event event;
        struct pool_status pool_status;
        struct {
            struct slice node;
            bool short_of_ips;  /* true: SufficientIP=False with reason and message; false: True */
            const char *reason; /* literal, CamelCase */
            struct slice message;
        } condition;
        struct {
            struct slice node;
            bool set;
        } taint;
    };
};

struct plan_actions {
    const struct plan_action *items; /* of the planner, until the next step */
    uint32_t count;
    const struct log_record *logs;
    uint32_t log_count;
};

void plan_step(struct planner *planner, const struct plan_event *event, struct plan_actions *out);
/* The steps that follow: what they will read is asked of memory all at once, where a step alone
 * waits for one piece after the other; a fifth of its time in a large cluster. Changes nothing. The
 * first PLAN_EXPECT_MAX count. */
enum { PLAN_EXPECT_MAX = 16 };
void plan_expect(const struct planner *planner, const struct plan_event *events, uint32_t count);
uint64_t plan_deadline_ns(const struct planner *planner); /* UINT64_MAX: nothing scheduled */

/* ---- read-only views, for the page, --once and explain; valid until the next step ---- */

uint32_t plan_node_count(const struct planner *planner);
/* The nodes in a stable order; false past the end. */
bool plan_decision_at(const struct planner *planner, uint32_t index, struct plan_decision *ret);
/* What tells how needy the node at this index is, without the cost of words. */
struct plan_glance {
    struct slice node; /* of the planner: until the next step */
    enum plan_decision_kind kind;
    uint32_t index, waiting, stall_in_s;
};
bool plan_glance_at(const struct planner *planner, uint32_t index, struct plan_glance *ret);
bool plan_decision_of(const struct planner *planner, struct slice node, struct plan_decision *ret);
uint32_t plan_pool_count(const struct planner *planner);
/* The pool's status as it is now, also when it has not changed enough to be written. */
bool plan_pool_status_at(struct planner *planner, uint32_t index, struct pool_status *ret);

/* Whether a read has shown the node's ENIs. */
bool plan_enis_known(const struct planner *planner, struct slice node);

/* Every debit that no observation has taken over yet. */
uint32_t plan_in_flight(const struct planner *planner);

#endif
