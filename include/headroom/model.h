/*
 * model.h - the things that Headroom reasons about: node, ENI, subnet, pool, agent settings.
 *
 * Plain structs. Slices and arrays inside are borrowed: whoever hands a struct over says how long
 * they live (events: for the call). Absent strings are empty, absent numbers have a named value.
 *
 *   pool --selects--> subnet <--lies in-- ENI --attached to--> instance == node --runs--> pods
 */
#ifndef HEADROOM_MODEL_H
#define HEADROOM_MODEL_H

#include <headroom/arena.h>
#include <headroom/slice.h>

/* ---- identifiers: "eni-0123456789abcdef0", "subnet-...", "i-..." by value ---- */

enum { AWS_ID_MAX = 32 };

struct aws_id {
    char text[AWS_ID_MAX]; /* NUL-terminated; "" is none */
};

static inline struct slice aws_id_slice(const struct aws_id *id)
{
    return slice_of(id->text);
}

static inline bool aws_id_is_set(const struct aws_id *id)
{
    return id->text[0] != '\0';
}

/* ERR_INVALID if longer than 31 bytes or with a byte outside [a-zA-Z0-9-]. */
enum err aws_id_set(struct aws_id *id, struct slice s) ERR_CHECKED;
bool aws_id_eq(const struct aws_id *a, const struct aws_id *b);

/* A tag, a label, an annotation. */
struct pair {
    struct slice key, value;
};

/* The value of `key`; false when it is not there. */
bool pair_find(const struct pair *pairs, uint32_t count, struct slice key, struct slice *ret);

/* ---- node ---- */

enum node_os { NODE_OS_LINUX, NODE_OS_WINDOWS };

/* A node as the Kubernetes API shows it. */
struct node {
    struct slice name;
    struct slice provider_id; /* aws:///us-west-2a/i-0123456789abcdef0; or Fargate's, hybrid ... */
    struct slice zone;        /* topology.kubernetes.io/zone */
    struct slice instance_type; /* node.kubernetes.io/instance-type */
    const struct pair *labels;
    uint32_t label_count;
    struct slice eniconfig_annotation; /* its value; the agent's settings say which one it is */
    uint32_t max_pods;                 /* status.capacity.pods; 0: unknown */
    enum node_os os;
    bool ready;         /* condition Ready is True */
    bool unschedulable; /* spec.unschedulable or its taint */
    bool deleting;     /* deletionTimestamp, or taint out-of-service or of Karpenter's disruption */
    bool ipv6;         /* the first of status.addresses of type InternalIP is IPv6 */
    bool short_of_ips; /* our condition SufficientIP is False */
    bool tainted;      /* our taint headroom.dev/no-ip-capacity is there */
};

/* Why Headroom leaves a node alone; shown to users. */
#define NODE_EXCLUSIONS(X)                                                                         \
    X(NONE, "")                                                                                    \
    X(IPV6, "the node uses IPv6, where the agent does not adopt ENIs at run time")                 \
    X(WINDOWS, "the node runs Windows")                                                            \
    X(FARGATE, "the node is a Fargate node")                                                       \
    X(HYBRID, "the node is a hybrid node, outside EC2")                                            \
    X(HYPERPOD, "the node is a HyperPod node, whose ENIs SageMaker attaches")                      \
    X(AUTO_MODE, "EKS Auto Mode manages the node's addresses itself")                              \
    X(NO_INSTANCE, "the node has no EC2 instance in its providerID")                               \
    X(LEAVING, "the node is being deleted or out of service")

enum node_exclusion {
#define X(name, text) NODE_EXCLUDED_##name,
    NODE_EXCLUSIONS(X)
#undef X
};

const char *node_exclusion_text(enum node_exclusion exclusion);

/* Derives the instance's id from provider_id; says whether Headroom serves the node. */
enum node_exclusion node_instance(const struct node *node, struct aws_id *ret_instance);

/* ---- EC2: ENI, subnet, instance type ---- */

enum eni_type { ENI_STANDARD, ENI_TRUNK, ENI_BRANCH, ENI_EFA, ENI_EFA_ONLY, ENI_OTHER };
enum eni_status { ENI_AVAILABLE, ENI_ATTACHING, ENI_IN_USE, ENI_DETACHING, ENI_PENDING };

struct eni {
    struct aws_id id, subnet, vpc;
    struct aws_id instance; /* "": attached to no instance */
    struct slice zone;
    enum eni_type type;
    enum eni_status status;
    uint32_t device_index, card;
    bool delete_on_termination;
    struct slice attachment_id;
    struct slice description;
    uint32_t primary_ip; /* host order */
    const uint32_t *ips; /* secondary addresses, host order */
    uint32_t ip_count;
    const uint32_t *prefixes; /* first address of each /28 */
    uint32_t prefix_count;
    const struct aws_id *groups; /* security groups */
    uint32_t group_count;
    const struct pair *tags;
    uint32_t tag_count;
};

enum route_kind { ROUTE_UNKNOWN, ROUTE_PRIVATE, ROUTE_PUBLIC };

struct cidr {
    uint32_t base; /* host order */
    uint8_t bits;  /* 0..32 */
};

struct cidr_reservation {
    struct cidr cidr;
    bool prefix; /* type "prefix": only prefixes come from it; "explicit": nothing by itself */
};

/* A subnet as EC2 shows it. */
struct subnet {
    struct aws_id id, vpc;
    struct slice zone, zone_id;
    struct cidr cidr;
    uint32_t available;         /* AvailableIpAddressCount: lags, says nothing about /28 blocks */
    bool usable;                /* State is "available" */
    struct aws_id route_table;  /* its own or the VPC's main one; "": not known */
    enum route_kind route_kind; /* public: a default route to an internet gateway */
    const struct cidr_reservation *reservations;
    uint32_t reservation_count;
    const struct pair *tags;
    uint32_t tag_count;
};

/* Limits of an instance type, card 0 alone. */
struct instance_type {
    struct slice name;
    uint32_t enis;        /* MaximumNetworkInterfaces of card 0 */
    uint32_t ips_per_eni; /* Ipv4AddressesPerInterface, the primary included */
    bool prefixes;        /* nitro or bare metal: takes /28 prefixes */
    bool trunk;           /* can carry branch ENIs */
};

/* The embedded table, made by hack/ from EC2's published limits; false: unknown type. */
bool instance_type_builtin(struct slice name, struct instance_type *ret);

/* ---- the agent's settings (env of DaemonSet kube-system/aws-node; defaults as in v1.23.2) ---- */

enum { AGENT_UNSET = -1, AGENT_TAGS_MAX = 32 };

struct agent_settings {
    int32_t warm_eni_target;      /* WARM_ENI_TARGET, 1 */
    int32_t warm_ip_target;       /* WARM_IP_TARGET, AGENT_UNSET */
    int32_t minimum_ip_target;    /* MINIMUM_IP_TARGET, AGENT_UNSET */
    int32_t warm_prefix_target;   /* WARM_PREFIX_TARGET, AGENT_UNSET; the DaemonSet of EKS sets 1 */
    int32_t max_eni;              /* MAX_ENI, AGENT_UNSET */
    bool prefix_delegation;       /* ENABLE_PREFIX_DELEGATION */
    bool subnet_discovery;        /* ENABLE_SUBNET_DISCOVERY, true */
    bool custom_networking;       /* AWS_VPC_K8S_CNI_CUSTOM_NETWORK_CFG */
    bool pod_eni;                 /* ENABLE_POD_ENI */
    bool manage_untagged;         /* MANAGE_UNTAGGED_ENI, true */
    bool manage_non_schedulable;  /* AWS_MANAGE_ENIS_NON_SCHEDULABLE */
    bool provisioning_disabled;   /* DISABLE_NETWORK_RESOURCE_PROVISIONING */
    bool ipv6;                    /* ENABLE_IPv6 */
    struct slice cluster_name;    /* CLUSTER_NAME */
    struct slice eniconfig_label; /* ENI_CONFIG_LABEL_DEF */
    struct slice eniconfig_annotation; /* ENI_CONFIG_ANNOTATION_DEF */
    struct slice version;              /* tag of the container's image */
    const struct pair *extra_tags;     /* ADDITIONAL_ENI_TAGS */
    uint32_t extra_tag_count;
};

/* The agent's own defaults. */
void agent_settings_default(struct agent_settings *ret);

/* crd.k8s.amazonaws.com/v1alpha1 ENIConfig. */
struct eniconfig {
    struct slice name;
    struct aws_id subnet;
    const struct aws_id *groups;
    uint32_t group_count;
};

/* ---- SubnetPool ---- */

enum selector_op { SELECTOR_IN, SELECTOR_NOT_IN, SELECTOR_EXISTS, SELECTOR_NOT_EXISTS };

struct selector_requirement {
    struct slice key;
    enum selector_op op;
    const struct slice *values;
    uint32_t value_count;
};

/* metav1.LabelSelector, matchLabels turned into IN with one value. None selects everything. */
struct label_selector {
    const struct selector_requirement *requirements;
    uint32_t count;
};

bool label_selector_matches(const struct label_selector *selector, const struct pair *labels,
                            uint32_t label_count);

/* Of subnetSelectorTerms, securityGroupSelectorTerms: an id, or tags that must all be there ("*":
 * any value). */
struct selector_term {
    struct slice id;
    const struct pair *tags;
    uint32_t tag_count;
};

bool selector_terms_match(const struct selector_term *terms, uint32_t term_count, struct slice id,
                          const struct pair *tags, uint32_t tag_count);

/* A count of addresses, or a share of the subnet's usable ones. */
struct amount {
    uint32_t value;
    bool percent;
};

uint32_t amount_of(struct amount amount, uint32_t total);

enum pool_strategy { STRATEGY_MOST_FREE, STRATEGY_BALANCED, STRATEGY_ORDERED };
enum pool_addressing { ADDRESSING_AUTO, ADDRESSING_SECONDARY_IP, ADDRESSING_PREFIX };
enum pool_exhausted { EXHAUSTED_REPORT, EXHAUSTED_TAINT };

struct pool {
    struct slice name, uid;
    int64_t generation;
    const struct selector_term *subnet_terms;
    uint32_t subnet_term_count;
    const struct selector_term *group_terms; /* none: the primary ENI's groups */
    uint32_t group_term_count;
    struct label_selector nodes;
    uint32_t weight;            /* 0..100, higher wins, then the name that sorts first */
    struct amount low, high;    /* watermarks; defaults 10 %, 20 % */
    uint32_t reserved_ips;      /* kept free in every subnet; 8 */
    uint32_t min_ips_per_node;  /* 0 */
    uint64_t lead_ns;           /* headroom.leadTime; 2 min */
    uint32_t max_enis_per_node; /* 0: the type's limit */
    enum pool_strategy strategy;
    enum pool_addressing addressing;
    enum pool_exhausted on_exhausted;
    uint32_t attach_per_minute; /* limits.attachPerMinute; 0: no limit of its own */
    uint32_t max_enis;          /* limits.maxENIs that this pool may have attached; 0: none */
    uint64_t stale_ns;          /* maxDataAge: no action on older data; 5 min */
    bool paused, dry_run;
};

/* Defaults as in the CRD, for fields that old objects lack. */
void pool_default(struct pool *ret);
/* The fields of a SubnetPool's spec, as crds/ has them; NULL ends. */
extern const char *const pool_fields[];
/* Deep copy: everything that `from` borrows is copied into the arena. */
void pool_copy(struct arena *arena, const struct pool *from, struct pool *ret);

/* ---- what is done to EC2, and how it ends ---- */

/* Why EC2 refused or failed, as far as the next step depends on it (EC2 API reference, error
 * codes). SUBNET_SHORT: InvalidParameterValue, "There aren't sufficient free Ipv4 addresses or
 * prefixes". DENIED also: AuthFailure, ExpiredToken after a refresh, no credentials. */
#define CLOUD_CODES(X)                                                                             \
    X(OK)                                                                                          \
    X(SUBNET_FULL)    /* InsufficientFreeAddressesInSubnet */                                      \
    X(NO_PREFIX)      /* InsufficientCidrBlocks */                                                 \
    X(SUBNET_SHORT)   /* InvalidParameterValue, by its message */                                  \
    X(ENI_QUOTA)      /* NetworkInterfaceLimitExceeded: account and Region */                      \
    X(NAU_LIMIT)      /* NetworkAddressUsageLimitExceeded: VPC */                                  \
    X(ATTACH_LIMIT)   /* AttachmentLimitExceeded: instance type */                                 \
    X(IP_LIMIT)       /* PrivateIpAddressLimitExceeded: addresses of an ENI */                     \
    X(INDEX_IN_USE)   /* InvalidParameterValue, device index */                                    \
    X(INSTANCE_STATE) /* IncorrectState, IncorrectInstanceState */                                 \
    X(INSTANCE_GONE)  /* InvalidInstanceID.NotFound, .Malformed */                                 \
    X(ENI_GONE)       /* InvalidNetworkInterfaceID.NotFound */                                     \
    X(ENI_IN_USE)     /* InvalidNetworkInterface.InUse: attached already */                        \
    X(SUBNET_GONE)    /* InvalidSubnetID.NotFound */                                               \
    X(GROUP_GONE)     /* InvalidGroup.NotFound, InvalidSecurityGroupID.NotFound */                 \
    X(TOKEN_MISMATCH) /* IdempotentParameterMismatch */                                            \
    X(DENIED)         /* UnauthorizedOperation */                                                  \
    X(THROTTLED)      /* RequestLimitExceeded, Throttling */                                       \
    X(UNAVAILABLE)    /* 5xx, no connection, no answer: outcome unknown for a mutation */          \
    X(FENCED)         /* not sent: the lease may have lapsed */                                    \
    X(INVALID)        /* any other 4xx */

enum cloud_code {
#define X(name) CLOUD_##name,
    CLOUD_CODES(X)
#undef X
};

const char *cloud_code_name(enum cloud_code code); /* "SUBNET_FULL" */

enum { CLIENT_TOKEN_MAX = 65 }; /* 64 characters and NUL, EC2's limit */

/* Urgency classes, most urgent first; the order in which a scarce API budget is spent. */
enum urgency { URGENT_WAITING, URGENT_FORECAST, URGENT_REFRESH, URGENCY_COUNT };

/* One ENI to be created (unless `eni` is set: then only what is missing), attached and made to go
 * with its instance. */
struct eni_intent {
    struct aws_id instance, subnet, eni;
    uint32_t device_index;  /* on card 0 */
    uint32_t ips, prefixes; /* secondary addresses or /28 prefixes; at most one non-zero */
    const struct aws_id *groups;
    uint32_t group_count;
    const struct pair *tags; /* deterministic: they are part of what the token stands for */
    uint32_t tag_count;
    struct slice description;
    char client_token[CLIENT_TOKEN_MAX]; /* same need, same token, also after a crash */
};

/* How far an intent or another mutation got. */
enum cloud_stage { CLOUD_CREATED, CLOUD_ATTACHED, CLOUD_DONE, CLOUD_FAILED };

struct cloud_result {
    uint64_t action;        /* the id that the planner gave it */
    enum cloud_stage stage; /* CREATED, ATTACHED are progress; one DONE or FAILED ends it */
    enum cloud_code code;   /* FAILED: why */
    struct aws_id eni;      /* created or found; with FAILED: it exists and is not attached */
    uint32_t ips, prefixes; /* CREATED: what EC2 says it has */
    struct slice message;   /* EC2's own words, for people */
    struct slice operation; /* FAILED: the EC2 action that failed */
};

/* Tags that Headroom writes and reads. */
#define TAG_INTENT "headroom.dev/intent" /* client token; on ENIs that are ours to finish */
#define TAG_POOL "headroom.dev/pool"
#define TAG_NODE "headroom.dev/node"
#define TAG_CLUSTER "headroom.dev/cluster" /* nobody else's leftovers */
#define TAG_AGENT_INSTANCE "node.k8s.amazonaws.com/instance_id"
#define TAG_AGENT_NO_MANAGE "node.k8s.amazonaws.com/no_manage"
#define TAG_AGENT_CLUSTER "cluster.k8s.amazonaws.com/name"
#define TAG_AGENT_OWNER "eks:eni:owner" /* = amazon-vpc-cni */
#define TAG_SUBNET_ROLE "kubernetes.io/role/cni"
#define TAG_SUBNET_CLUSTER_PREFIX "cni.networking.k8s.aws/cluster/"

#define NODE_CONDITION "SufficientIP"
#define NODE_TAINT "headroom.dev/no-ip-capacity"

/* ---- what users see ---- */

/* Reasons of Kubernetes events; the name is the reason. */
/* clang-format off */
#define EVENT_REASONS(X)                                                                           \
    X(ENIPreAttached) X(ENIAttachFailed) X(SubnetLow) X(SubnetExhausted) X(SubnetRecovered)        \
    X(SubnetFragmented) X(NodeAtENILimit) X(NoHealthySubnet) X(NodeRecovered) X(LeakedENIDeleted)  \
    X(CloudAPIThrottled) X(CloudAPIDenied) X(CloudAPIUnavailable) X(AgentIncompatible)             \
    X(SubnetsNotFound) X(PoolConflict) X(UnknownInstanceType) X(DryRun)
/* clang-format on */

enum event_reason {
#define X(name) EVENT_##name,
    EVENT_REASONS(X)
#undef X
};

const char *event_reason_name(enum event_reason reason);

struct user_event {
    enum event_reason reason;
    bool warning;
    bool on_node;         /* else on the pool */
    struct slice name;    /* of the node or pool */
    struct slice uid;     /* of the pool */
    struct slice message; /* what, where, why, what to do */
};

#define SUBNET_STATES(X)                                                                           \
    X(Healthy)                                                                                     \
    X(Low)                                                                                         \
    X(Exhausted)                                                                                   \
    X(Fragmented)                                                                                  \
    X(Unavailable)

enum subnet_state {
#define X(name) SUBNET_##name,
    SUBNET_STATES(X)
#undef X
};

const char *subnet_state_name(enum subnet_state state);

enum { FORECAST_NEVER_S = UINT32_MAX };

struct subnet_status {
    struct aws_id id;
    struct slice zone;
    struct cidr cidr;
    uint32_t total, free;   /* usable addresses; free as observed, less what is in flight */
    uint32_t free_prefixes; /* whole /28 blocks */
    uint32_t in_flight;
    enum subnet_state state;
    uint32_t exhausted_in_s; /* FORECAST_NEVER_S: not foreseen */
    uint64_t observed_wall_ns;
};

enum condition_value { CONDITION_UNKNOWN, CONDITION_TRUE, CONDITION_FALSE };

struct condition {
    const char *type; /* literal: "Ready", "SubnetsReady", "CapacityHealthy" ... */
    enum condition_value value;
    const char *reason; /* literal, CamelCase */
    struct slice message;
    uint64_t since_wall_ns;
};

enum { POOL_CONDITIONS = 5 };

struct zone_status {
    struct slice zone;
    uint32_t subnets, total, free, nodes;
};

/* A node that runs short, or has, and that nothing is on its way to. */
struct node_at_risk {
    struct slice name;
    const char *decision; /* literal */
    struct slice message; /* why, and what to do */
};

enum { POOL_STATUS_NAMED_MAX = 10 };

struct pool_status {
    struct slice name, uid;
    int64_t observed_generation;
    struct condition conditions[POOL_CONDITIONS]; /* Ready first */
    const struct subnet_status *subnets;          /* sorted by zone, then id */
    uint32_t subnet_count;
    const struct zone_status *zones; /* sorted */
    uint32_t zone_count;
    uint32_t nodes_total, nodes_covered, nodes_at_risk, nodes_exhausted;
    /* The neediest of those at risk or exhausted; only in a status that is to be written. */
    const struct node_at_risk *named;
    uint32_t named_count; /* POOL_STATUS_NAMED_MAX at most */
    uint32_t free, low_subnets, in_flight;
};

#endif
