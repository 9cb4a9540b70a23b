/*
 * ec2.h - the EC2 side as a sans-I/O machine: identity, requests, budget, retries.
 *
 *   command (attach, delete, observe ..) --> ec2_step --> fetches (HTTP, file, exec)
 *   fetch events, time               ------>          --> typed events (subnets, ENIs, results ..)
 *
 * Knows no socket, no clock and no planner. Decides nothing about subnets or nodes: it executes, in
 * the order of urgency, within the budget, and reports. It owns: credentials and their refresh,
 * request signing, endpoint choice, clock skew, per-action token buckets (AIMD), full-jitter
 * retries, coalescing of describes, pagination, the three calls of an attach.
 */
#ifndef HEADROOM_EC2_H
#define HEADROOM_EC2_H

#include <headroom/fetch.h>
#include <headroom/log.h>
#include <headroom/model.h>
#include <headroom/plan.h>

struct ec2;

/* The environment's variables as the SDKs name them; empty: not set. Secrets: never logged. */
struct ec2_environment {
    struct slice access_key_id, secret_access_key, session_token;
    struct slice region, default_region, profile;
    struct slice config_file, credentials_file; /* paths; the defaults in ~/.aws filled in */
    struct slice web_identity_token_file, role_arn, role_session_name;
    struct slice container_full_uri, container_relative_uri, container_token, container_token_file;
    /* AWS_EC2_METADATA_SERVICE_ENDPOINT; default http://169.254.169.254 */
    struct slice metadata_endpoint;
    bool metadata_disabled;
    struct slice endpoint_ec2, endpoint_sts, endpoint; /* AWS_ENDPOINT_URL_EC2, _STS, _URL */
    bool use_fips, use_dualstack, ignore_endpoints;    /* AWS_IGNORE_CONFIGURED_ENDPOINT_URLS */
    struct slice ca_bundle;
    struct slice user_agent; /* "headroom/0.1.0" */
};

struct ec2_config {
    struct ec2_environment env; /* copied deeply */
    uint64_t seed;
    uint64_t fetch_base;       /* ids of fetches are fetch_base + 1, 2, ... */
    double budget_share;       /* of the documented refill and burst, for us; 0: 1/3 */
    struct slice cluster_name; /* goes into the User-Agent, which CloudTrail shows; may be empty */
    uint32_t subnet_pace_ms;   /* first pace of subnet reads; 0: 15,000 */
    uint32_t sweep_pace_ms;    /* reads of all ENIs; 0: 300,000 */
};

struct ec2 *ec2_new(const struct ec2_config *config);
void ec2_free(struct ec2 *ec2);

enum ec2_input_kind {
    EC2_TICK,
    EC2_FETCH, /* .fetch: an answer from outside */
    /* .action: PLAN_ATTACH, ASSIGN, DELETE, OBSERVE, OBSERVE_SUBNETS, NEED_TYPE, SUBNET_PACE */
    EC2_ACTION,
    EC2_INSTANCE, /* .instance: an instance of the cluster; the first teaches us the VPC */
    EC2_INSTANCE_GONE,
    EC2_PROBE, /* .probe: a dry run */
    EC2_FENCE, /* .fence_ns: no mutation is sent at or after this time; 0: none at all */
    EC2_STOP   /* finish nothing new; what is under way may end */
};

/* May our identity do this? EC2 is asked with DryRun=true, which changes nothing and needs no
 * lease. The answer is a PLAN_RESULT: DONE, it may; FAILED with DENIED, it may not; FAILED with
 * another code, EC2 could not say. At most 32 at a time. */
struct ec2_probe {
    uint64_t id;        /* comes back as the result's action */
    const char *action; /* a name of ec2_stats: "CreateNetworkInterface"; literal */
    /* Create: all of it; Attach: instance, device_index; GetSubnetCidrReservations: subnet */
    struct eni_intent intent;
    struct aws_id eni;       /* Attach, Modify, Assign, Delete: an ENI that exists */
    struct slice attachment; /* Modify: its attachment's id */
};

enum { EC2_PROBES_MAX = 32 };

struct ec2_input {
    enum ec2_input_kind kind;
    uint64_t now_ns, wall_ns;
    union {
        struct fetch_event fetch;
        struct plan_action action;
        struct aws_id instance;
        struct ec2_probe probe;
        uint64_t fence_ns;
    };
};

enum ec2_event_kind {
    EC2_SUBNETS, /* .plan is a PLAN_SUBNETS */
    EC2_ENIS,    /* PLAN_ENIS */
    EC2_SWEEP,   /* PLAN_SWEEP */
    EC2_TYPE,    /* PLAN_TYPE or PLAN_TYPE_UNKNOWN */
    EC2_GROUPS,  /* PLAN_GROUPS */
    EC2_RESULT,  /* PLAN_RESULT */
    EC2_CLOUD    /* PLAN_CLOUD */
};

/* Events are plan events, ready to be stepped: the planner's language is the language of the
 * house. */
struct ec2_output {
    const struct plan_event *events; /* of the machine, until its next step; with their times */
    uint32_t event_count;
    struct fetch_list fetches;
    struct log_list logs;
};

void ec2_step(struct ec2 *ec2, const struct ec2_input *input, struct ec2_output *out);
uint64_t ec2_deadline_ns(const struct ec2 *ec2);

/* While somebody looks at what is known, subnets are read each second, whatever pace the planner
 * wants: what people take for the present must not be half a minute old. */
void ec2_watched(struct ec2 *ec2, bool watched);

/* No mutation is under way or queued: a stop may complete. */
bool ec2_idle(const struct ec2 *ec2);

/* ---- read-only views ---- */

enum { EC2_ACTION_NAMES_MAX = 24, EC2_CODES_MAX = 32 };

struct ec2_action_stats {
    const char *action;                 /* "CreateNetworkInterface" */
    double tokens, burst, refill_per_s; /* of our own budget, as it is now */
    uint64_t requests, throttled, failed;
    uint64_t latency_sum_us, latency_count;
    struct {
        char code[48]; /* EC2's error code, or "ok" */
        uint64_t count;
    } codes[EC2_CODES_MAX];
    uint32_t code_count;
};

struct ec2_stats {
    struct ec2_action_stats actions[EC2_ACTION_NAMES_MAX];
    uint32_t action_count;
    uint32_t queued[URGENCY_COUNT]; /* mutations that wait for budget */
    char identity_source[64]; /* "environment", "web identity", "EKS Pod Identity" ...; "": none */
    uint64_t identity_expires_wall_ns; /* 0: does not expire */
    int64_t clock_skew_ms;
    char region[32];
    char endpoint[256];
    uint64_t subnets_asked_ns, sweep_asked_ns; /* begin of the last complete read; 0: never */
};

/* Copies. */
void ec2_stats(const struct ec2 *ec2, uint64_t now_ns, struct ec2_stats *ret);

#endif
