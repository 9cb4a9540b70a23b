/*
 * state.h - the rows of the modelled EC2 and what may be done to them. Private to
 * src/sim/ec2.
 *
 *   subnets[] --first_eni--> enis[] <--> enis[]        (a list through the rows, one a subnet)
 *   instances[] --enis[]---> enis[]                    (attached or being attached)
 *   enis[i].now              how it is
 *   enis[i].past[]           how it was until then and then: what a lagging describe still shows
 *
 * Rows are named by their place (u32); an ENI's place is used again when it is gone and forgotten.
 */
#ifndef SIM_EC2_STATE_H
#define SIM_EC2_STATE_H

#include <headroom/buf.h>
#include <headroom/index.h>
#include <headroom/prng.h>
#include <headroom/sim.h>
#include <headroom/timers.h>

#include "space.h"

enum {
    ROW_NONE = UINT32_MAX,
    SIM_GROUPS_MAX = 16, /* security groups of an ENI: EC2's highest quota */
    SIM_TAGS_MAX = 50,   /* tags of a resource: EC2's limit */
    SIM_INSTANCE_ENIS = 32,
    SIM_PAST_MAX = 64,     /* images kept of one row */
    SIM_PARAMS_MAX = 4096, /* parameters of a request */
    SIM_LOG_MAX = 20000,   /* requests remembered */
    SIM_XML_MAX = 256 << 20,
    SIM_FAULTS_MAX = 64,
    SIM_PAGE_MAX = 1000, /* EC2's largest page */
    SIM_TENANT_IPS = 50  /* addresses of one ENI of a drain */
};

/* How EC2 says no. code: literal or in an arena that outlives it. */
struct sim_problem {
    const char *code; /* NULL: no problem */
    int status;
    char message[320];
};

/* Sets it and returns false, so `return sim_refuse(...)`. Status by code. */
bool sim_refuse(struct sim_problem *problem, const char *code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
enum cloud_code sim_cloud_code(const struct sim_problem *problem);

/* ---- rows ---- */

struct sim_tag {
    uint32_t key, value; /* interned */
};

struct sim_tags {
    struct sim_tag *items;
    uint32_t count, capacity;
};

struct sim_u32s {
    uint32_t *items;
    uint32_t count, capacity;
};

enum sim_attach { ATTACH_NONE, ATTACH_ATTACHING, ATTACH_ATTACHED, ATTACH_DETACHING };

/* What changes about an ENI, and so what lags. */
struct sim_eni_state {
    uint32_t instance; /* row; ROW_NONE */
    enum sim_attach attach;
    uint32_t device_index, card;
    bool delete_on_termination;
    uint64_t attachment; /* number that its id is made of */
    uint64_t attached_wall_ns;
    uint32_t description; /* interned */
    struct sim_u32s ips, prefixes;
    uint32_t groups[SIM_GROUPS_MAX]; /* rows */
    uint32_t group_count;
    struct sim_tags tags;
};

struct sim_eni_past {
    uint64_t until_ns;
    struct sim_eni_state state;
};

struct sim_eni {
    bool used; /* the row holds an ENI, living or remembered */
    struct aws_id id;
    uint32_t subnet;
    uint32_t primary_ip;
    uint32_t next, prev; /* in its subnet */
    enum eni_type type;
    bool tenant; /* of another account that shares the subnet */
    uint64_t created_ns, created_wall_ns;
    uint64_t gone_ns; /* TIMERS_NEVER: it lives */
    struct sim_eni_state now;
    struct sim_eni_past *past; /* oldest first */
    uint32_t past_count, past_capacity;
};

struct sim_subnet_past {
    uint64_t until_ns;
    uint32_t free;
};

struct sim_subnet {
    struct aws_id id;
    struct slice name, zone, zone_id;
    struct sim_space space;
    const struct cidr_reservation *reservations;
    uint32_t reservation_count;
    uint32_t route_table; /* row of its own one; ROW_NONE: the main one */
    struct sim_tags tags;
    uint32_t first_eni;
    bool usable;
    struct sim_subnet_past *past;
    uint32_t past_begin, past_count, past_capacity;
};

struct sim_route {
    struct slice destination, target; /* "0.0.0.0/0", "igw-..", "nat-..", "local" */
};

struct sim_route_table {
    struct aws_id id;
    bool main;
    const struct sim_route *routes;
    uint32_t route_count;
    struct sim_tags tags;
};

struct sim_group {
    struct aws_id id;
    struct slice name;
    struct sim_tags tags;
};

enum sim_instance_state {
    INSTANCE_PENDING,
    INSTANCE_RUNNING,
    INSTANCE_SHUTTING_DOWN,
    INSTANCE_TERMINATED,
    INSTANCE_STOPPED
};

struct sim_instance_past {
    uint64_t until_ns;
    enum sim_instance_state state;
};

struct sim_instance {
    struct aws_id id;
    struct instance_type type;
    uint32_t subnet; /* of its primary ENI */
    uint32_t role;   /* interned; ROW_NONE: no instance profile */
    struct slice dns_name;
    enum sim_instance_state state;
    uint32_t enis[SIM_INSTANCE_ENIS]; /* rows, in order of attaching */
    uint32_t eni_count;
    struct sim_tags tags;
    uint64_t created_ns, launched_wall_ns;
    uint64_t version;      /* another one whenever something about its ENIs changes */
    uint64_t client_token; /* of RunInstances; hash, 0: none */
    struct sim_instance_past past[4];
    uint32_t past_count;
};

/* What a client token stands for. */
struct sim_token {
    struct slice key;     /* action and token */
    uint64_t params;      /* hash of everything else */
    struct aws_id eni;    /* what it made */
    struct sim_eni image; /* as made: the answer when the ENI is gone by now */
};

/* ---- API budget, faults, identity, log ---- */

/* name, mutating, burst, refill per second. From the EC2 developer guide; what it does not list
 * falls under its general classes. */
#define SIM_ACTIONS(X)                                                                             \
    X(CreateNetworkInterface, true, 100, 5)                                                        \
    X(DeleteNetworkInterface, true, 100, 5)                                                        \
    X(AttachNetworkInterface, true, 50, 5)                                                         \
    X(DetachNetworkInterface, true, 50, 5)                                                         \
    X(ModifyNetworkInterfaceAttribute, true, 100, 5)                                               \
    X(AssignPrivateIpAddresses, true, 100, 5)                                                      \
    X(UnassignPrivateIpAddresses, true, 100, 5)                                                    \
    X(CreateTags, true, 100, 10)                                                                   \
    X(DeleteTags, true, 100, 10)                                                                   \
    X(RunInstances, true, 5, 2)                                                                    \
    X(TerminateInstances, true, 100, 5)                                                            \
    X(DescribeSubnets, false, 100, 20)                                                             \
    X(DescribeNetworkInterfaces, false, 100, 20)                                                   \
    X(DescribeInstances, false, 100, 20)                                                           \
    X(DescribeInstanceTypes, false, 100, 20)                                                       \
    X(DescribeRouteTables, false, 100, 20)                                                         \
    X(DescribeSecurityGroups, false, 100, 20)                                                      \
    X(DescribeVpcs, false, 100, 20)                                                                \
    X(DescribeAvailabilityZones, false, 100, 20)                                                   \
    X(GetSubnetCidrReservations, false, 100, 20)                                                   \
    X(GetCallerIdentity, false, 1000, 1000)                                                        \
    X(AssumeRole, false, 1000, 1000)                                                               \
    X(AssumeRoleWithWebIdentity, false, 1000, 1000)

enum sim_action {
#define X(name, mutating, burst, refill) ACT_##name,
    SIM_ACTIONS(X)
#undef X
        ACT_COUNT
};

struct sim_action_info {
    const char *name;
    bool mutating;
    double burst, refill;
};

const struct sim_action_info *sim_action_info(enum sim_action action);
enum sim_action sim_action_find(struct slice name); /* ACT_COUNT: none */

struct sim_bucket {
    double tokens, burst, refill_per_s;
    uint64_t at_ns;
    uint64_t taken, refused;
};

enum sim_fault_kind {
    FAULT_LATENCY,
    FAULT_ERROR,
    FAULT_THROTTLE,
    FAULT_LOST_REPLY,
    FAULT_LOST_REQUEST,
    FAULT_CUT_BODY,
    FAULT_HOLD
};

struct sim_fault {
    uint64_t id;
    enum sim_fault_kind kind;
    char action[64], who[64]; /* "": any */
    uint32_t skip;            /* so many matching requests pass first */
    uint32_t count;           /* then so many are hit; UINT32_MAX: all */
    double probability;       /* of each of them; 1: certainly */
    uint64_t latency_ns;
    size_t cut_after;
    char code[64], message[192];
    int status;
    uint64_t hits;
};

struct sim_hold {
    uint64_t id;
    enum sim_action action;
    char who[40];
};

/* An access key and whom it stands for. Sessions (STS, instance profile) have a token and an end.
 */
struct sim_identity {
    struct slice key_id, secret, token;
    struct slice who;
    bool session, of_instance;
    uint64_t expires_wall_ns; /* 0: never */
};

struct sim_imds_token {
    struct aws_id instance;
    uint64_t ends_wall_ns;
    char text[48];
};

struct sim_request_log {
    uint64_t id, wall_ns;
    char who[40], action[48], code[64], request_id[40];
    int status;
    char *params; /* owned; JSON object */
};

struct sim_timing {
    uint64_t attach_ns, detach_ns, run_ns, terminate_ns;
};

enum sim_face { FACE_CODES, FACE_PARAMETER, FACE_MIXED };

struct sim_policy;

struct sim_ec2 {
    struct arena arena; /* the scenario's texts */
    struct interner names;
    struct prng prng;
    uint64_t seed;
    uint64_t now_ns, wall_ns; /* as of the last call; typed calls move both */
    uint64_t lag_ns;
    uint64_t skew_max_ns;
    int64_t clock_offset_ns; /* of EC2's clock from the caller's: for skew tests */

    struct slice region, account;
    struct aws_id vpc;
    struct slice vpc_name;
    struct sim_tags vpc_tags;
    const struct cidr *vpc_cidrs;
    uint32_t vpc_cidr_count;
    struct sim_route_table *route_tables;
    uint32_t route_table_count, route_table_capacity;
    struct sim_subnet *subnets;
    uint32_t subnet_count, subnet_capacity;
    struct sim_group *groups;
    uint32_t group_count, group_capacity;
    struct sim_instance *instances;
    uint32_t instance_count, instance_capacity;
    struct sim_eni *enis;
    uint32_t eni_rows, eni_capacity; /* rows in use or free for use again */
    struct sim_u32s free_enis;       /* rows to be used again */
    struct sim_u32s gone_enis;       /* gone, remembered; oldest first */
    uint32_t gone_begin;
    struct instance_type *types; /* the scenario's own */
    uint32_t type_count, type_capacity;
    struct index subnet_index, group_index, instance_index, eni_index, token_index;
    struct sim_token *tokens;
    uint32_t token_count, token_capacity;

    struct timers eni_timers, instance_timers;
    struct sim_timing timing;
    bool scattered; /* addresses are taken from anywhere in the subnet, as EC2 does it */
    enum sim_face face;
    uint32_t quota_enis, quota_nau;
    uint32_t live_enis;       /* of this account */
    uint32_t nau;             /* network address units of what is attached, and of other tenants */
    struct sim_u32s attached; /* by turn of attaching, from 1: the row of the ENI */
    uint64_t next_request;

    bool throttle;
    struct sim_bucket buckets[ACT_COUNT];
    struct sim_bucket plain_describe[ACT_COUNT]; /* neither filtered nor paginated */
    uint64_t latency_ns[ACT_COUNT];
    struct sim_fault faults[SIM_FAULTS_MAX];
    uint32_t fault_count;
    uint64_t next_fault;
    uint64_t next_hold;
    struct sim_hold *holds; /* answers that wait to be released */
    uint32_t hold_count, hold_capacity;

    struct sim_identity *identities;
    uint32_t identity_count, identity_capacity;
    struct index identity_index;
    struct slice web_identity_token; /* "": any that is not empty */
    uint64_t session_ns;             /* how long a session lives */
    bool imds_token_required;
    struct sim_imds_token *imds_tokens;
    uint32_t imds_token_count, imds_token_capacity;
    struct sim_policy *policies;
    uint32_t policy_count, policy_capacity;

    struct sim_request_log *log; /* a ring */
    uint32_t log_begin, log_count, log_capacity;
    uint64_t next_log;
    uint64_t typed_calls, typed_refused, typed_throttled;
    struct buf answer; /* of the last request: kept, for the next one may be as long */
};

/* ---- tables (ec2.c) ---- */

uint32_t sim_find_eni(const struct sim_ec2 *ec2, struct slice id); /* a living one, or ROW_NONE */
uint32_t sim_find_subnet(const struct sim_ec2 *ec2, struct slice id); /* by id, in scenarios also by
                                                                         name */
uint32_t sim_find_group(const struct sim_ec2 *ec2, struct slice id);
uint32_t sim_find_instance(const struct sim_ec2 *ec2, struct slice id);
struct instance_type sim_type(const struct sim_ec2 *ec2, struct slice name, bool *ret_known);
void sim_new_id(struct sim_ec2 *ec2, const char *prefix, struct aws_id *ret);
struct prng *sim_scatter(struct sim_ec2 *ec2); /* NULL: lowest first */

struct slice sim_name(const struct sim_ec2 *ec2, uint32_t interned);
void sim_tags_set(struct sim_ec2 *ec2, struct sim_tags *tags, struct slice key, struct slice value);
void sim_tags_remove(struct sim_ec2 *ec2, struct sim_tags *tags, struct slice key,
                     const struct slice *value);
/* Value of a key; false: not there. */
bool sim_tags_find(const struct sim_ec2 *ec2, const struct sim_tags *tags, struct slice key,
                   struct slice *ret);
void sim_tags_copy(struct sim_tags *to, const struct sim_tags *from);
const struct pair *sim_tags_pairs(const struct sim_ec2 *ec2, const struct sim_tags *tags,
                                  struct arena *arena);
void sim_u32s_add(struct sim_u32s *list, uint32_t value);
bool sim_u32s_remove(struct sim_u32s *list, uint32_t value);
bool sim_u32s_has(const struct sim_u32s *list, uint32_t value);

/* ---- consistency (seen.c): what a describe at this moment shows ---- */

void sim_eni_touch(struct sim_ec2 *ec2, uint32_t row); /* before each change */
void sim_subnet_touch(struct sim_ec2 *ec2, uint32_t row);
void sim_instance_touch(struct sim_ec2 *ec2, uint32_t row);
/* NULL: not to be seen (yet, or any more). */
const struct sim_eni_state *sim_eni_seen(const struct sim_ec2 *ec2, uint32_t row);
uint32_t sim_subnet_seen(const struct sim_ec2 *ec2, uint32_t row); /* free addresses */
/* False: not to be seen yet. */
bool sim_instance_seen(const struct sim_ec2 *ec2, uint32_t row, enum sim_instance_state *ret);
void sim_forget(struct sim_ec2 *ec2); /* what no describe can show any more */
void sim_eni_state_copy(struct sim_eni_state *to, const struct sim_eni_state *from);
void sim_eni_state_done(struct sim_eni_state *state);

/* ---- what may be done to ENIs (eni.c, address.c); false: *problem says why, and nothing
 * has changed ---- */

struct sim_create {
    struct slice subnet, description;
    uint32_t primary_ip;       /* 0: any */
    uint32_t ips, prefixes;    /* counts */
    const uint32_t *addresses; /* or these secondary ones */
    uint32_t address_count;
    const uint32_t *blocks; /* or these /28 blocks */
    uint32_t block_count;
    const struct slice *groups; /* none: the VPC's default one */
    uint32_t group_count;
    const struct pair *tags;
    uint32_t tag_count;
    struct slice client_token;
    uint64_t params; /* hash of all the above as the client put it */
    enum eni_type type;
};

/* *ret_again: the token has been used before: *ret_row is ROW_NONE if the ENI is gone; *ret_token
 * says what it was. */
bool sim_eni_create(struct sim_ec2 *ec2, const struct sim_create *create, uint32_t *ret_row,
                    uint32_t *ret_token, struct sim_problem *problem);
bool sim_eni_attach(struct sim_ec2 *ec2, struct slice eni, struct slice instance,
                    uint32_t device_index, uint32_t card, uint32_t *ret_row,
                    struct sim_problem *problem);
bool sim_eni_detach(struct sim_ec2 *ec2, uint32_t row, bool force, struct sim_problem *problem);
bool sim_eni_delete(struct sim_ec2 *ec2, struct slice eni, struct sim_problem *problem);
bool sim_eni_set_groups(struct sim_ec2 *ec2, uint32_t row, const struct slice *groups,
                        uint32_t count, struct sim_problem *problem);
bool sim_require_eni(const struct sim_ec2 *ec2, struct slice id, uint32_t *ret,
                     struct sim_problem *problem);
bool sim_require_instance(const struct sim_ec2 *ec2, struct slice id, uint32_t *ret,
                          struct sim_problem *problem);
bool sim_require_subnet(const struct sim_ec2 *ec2, struct slice id, uint32_t *ret,
                        struct sim_problem *problem);
uint32_t sim_attachment_eni(const struct sim_ec2 *ec2, struct slice attachment);
void sim_attachment_id(uint64_t attachment, char ret[40]);
void sim_mac(uint32_t primary_ip, char ret[20]);

/* Without checks: rows come and go (drain, scenario, instances). */
uint32_t sim_eni_new(struct sim_ec2 *ec2, uint32_t subnet, uint32_t primary_ip);
void sim_eni_gone(struct sim_ec2 *ec2, uint32_t row);
void sim_eni_join(struct sim_ec2 *ec2, uint32_t row, uint32_t instance, uint32_t device_index,
                  bool at_once);
void sim_eni_part(struct sim_ec2 *ec2, uint32_t row);
void sim_eni_due(struct sim_ec2 *ec2, uint32_t row); /* attaching is attached, detaching is detached
                                                      */
uint32_t sim_eni_units(const struct sim_eni *eni);   /* NAU that it costs while attached */

struct sim_assign {
    struct slice eni;
    uint32_t ips, prefixes;
    const uint32_t *addresses;
    uint32_t address_count;
    const uint32_t *blocks;
    uint32_t block_count;
    bool allow_reassignment;
};

/* *ret_first_ip, *ret_first_prefix: places in the ENI's lists from which on they are new. */
bool sim_eni_assign(struct sim_ec2 *ec2, const struct sim_assign *assign, uint32_t *ret_row,
                    uint32_t *ret_first_ip, uint32_t *ret_first_prefix,
                    struct sim_problem *problem);
bool sim_eni_unassign(struct sim_ec2 *ec2, struct slice eni, const uint32_t *addresses,
                      uint32_t address_count, const uint32_t *blocks, uint32_t block_count,
                      struct sim_problem *problem);
/* Takes count addresses and prefixes (or the named ones) for an ENI that is to be or is; all or
 * nothing. */
bool sim_take_addresses(struct sim_ec2 *ec2, uint32_t subnet, const struct sim_assign *what,
                        bool creating, struct sim_u32s *ips, struct sim_u32s *prefixes,
                        struct sim_problem *problem);

/* ---- instances (instance.c) ---- */

struct sim_run {
    struct aws_id id; /* "": a new one */
    struct slice type, subnet, role, dns_name;
    const struct slice *groups;
    uint32_t group_count;
    const struct pair *tags;
    uint32_t tag_count;
    uint32_t secondary_ips, prefixes;
    bool at_once; /* running from the start */
};

bool sim_instance_run(struct sim_ec2 *ec2, const struct sim_run *run, uint32_t *ret_row,
                      struct sim_problem *problem);
bool sim_instance_terminate(struct sim_ec2 *ec2, struct slice id, struct sim_problem *problem);
void sim_instance_due(struct sim_ec2 *ec2, uint32_t row);
const char *sim_instance_state_name(enum sim_instance_state state);

bool sim_tag_resource(struct sim_ec2 *ec2, struct slice id, const struct pair *tags, uint32_t count,
                      bool remove, struct sim_problem *problem);

/* ---- budget and faults (gate.c) ---- */

struct sim_gate {
    struct sim_problem problem; /* code set: refused before it did anything */
    bool lost_request;          /* not done, and no answer */
    bool lost_reply;            /* done, and no answer */
    size_t cut_after;           /* SIZE_MAX: whole */
    uint64_t delay_ns;
    uint64_t hold; /* 0: none */
};

/* plain: a describe that is neither filtered nor paginated. */
void sim_gate(struct sim_ec2 *ec2, struct slice who, enum sim_action action, bool plain,
              struct sim_gate *ret);
void sim_buckets_init(struct sim_ec2 *ec2, double scale);

/* Time moves on: before each call. */
void sim_at(struct sim_ec2 *ec2, uint64_t now_ns, uint64_t wall_ns);

/* ---- identity (identity.c) ---- */

void sim_identity_add(struct sim_ec2 *ec2, struct slice key_id, struct slice secret,
                      struct slice who);
/* A session for a role: new key, secret and token. Its row. */
uint32_t sim_identity_session(struct sim_ec2 *ec2, struct slice who, uint64_t lives_ns);
/* Who signed the request; false: the problem says what is wrong with it. */
bool sim_identify(struct sim_ec2 *ec2, const struct sim_http_request *request, const char *service,
                  struct slice *ret_who, struct sim_problem *problem);
/* "20260102T030405Z" */
bool sim_compact_date(struct slice date, uint64_t *ret_wall_ns);
struct slice sim_header(const struct sim_http_request *request, const char *name);

/* ---- scenario (scenario.c) ---- */

/* By id, or by the scenario's name for it. */
uint32_t sim_subnet_by_name(const struct sim_ec2 *ec2, struct slice name);

enum err sim_scenario_read(struct sim_ec2 *ec2, const struct doc *top, struct error *error)
    ERR_CHECKED;

#endif
