/*
 * sim.h - the modelled world: EC2 as it documents itself, and the agents and kubelets that use it.
 *
 * Pure like the cores: time comes with each call, randomness from a seed. ec2sim (hack/ec2sim) puts
 * HTTP around it; the simulator (src/sim/world) drives it with a virtual clock. Held to what EC2
 * documents, never to what our client happens to need.
 */
#ifndef HEADROOM_SIM_H
#define HEADROOM_SIM_H

#include <headroom/arena.h>
#include <headroom/buf.h>
#include <headroom/fetch.h>
#include <headroom/log.h>
#include <headroom/model.h>

/* ---- EC2: the state of one VPC's account and Region ---- */

struct sim_ec2;

/* From a scenario (YAML, docs: hack/ec2sim/README.md). The error names line and field. */
enum err sim_ec2_new(struct slice scenario_yaml, uint64_t seed, uint64_t now_ns, uint64_t wall_ns,
                     struct sim_ec2 **ret, struct error *error) ERR_CHECKED;
/* From a scenario that has been parsed; the tree outlives the sim_ec2. */
struct doc;
enum err sim_ec2_new_of(const struct doc *scenario, uint64_t seed, uint64_t now_ns,
                        uint64_t wall_ns, struct sim_ec2 **ret, struct error *error) ERR_CHECKED;
void sim_ec2_free(struct sim_ec2 *ec2);

/* An HTTP request as it came. */
struct sim_http_request {
    struct slice method, path, query, body;
    const struct fetch_header *headers;
    size_t header_count;
};

struct sim_http_response {
    int status; /* 0: the connection is cut without an answer (lost reply) */
    struct slice content_type;
    struct slice body; /* in the arena */
    uint64_t delay_ns; /* to be waited before the answer is sent */
    size_t cut_after;  /* send so many bytes of the body only, then cut; SIZE_MAX: all */
    uint64_t hold;     /* not 0: to be sent only once sim_ec2_held says false (/_sim/pause-after) */
    /* Not 0: a token of the metadata service; the header X-aws-ec2-metadata-token-ttl-seconds. */
    uint32_t token_ttl_s;
};

bool sim_ec2_held(const struct sim_ec2 *ec2, uint64_t hold);

/* The request log's entries after `id` as JSON lines, at most `count`; *ret_last: the last one's
 * id. In the arena. */
struct slice sim_ec2_requests(const struct sim_ec2 *ec2, struct arena *arena, uint64_t id,
                              uint32_t count, uint64_t *ret_last);

/* A request to the EC2 Query API or STS. Signature, throttling, lag, faults and policies
 * apply. The request log names who asked ("controller", "agent" ...) by the access key. */
void sim_ec2_http(struct sim_ec2 *ec2, struct arena *arena, uint64_t now_ns, uint64_t wall_ns,
                  const struct sim_http_request *request, struct sim_http_response *ret);

/* Lines of shell that make the SDKs and the controller talk to `endpoint` as `who` (empty: the
 * scenario's first identity). Empty: there is no such identity. In the arena. */
struct slice sim_ec2_environment(const struct sim_ec2 *ec2, struct arena *arena,
                                 struct slice endpoint, struct slice who);

/* The instance metadata service of one instance: paths below /imds/INSTANCE (which `path` begins
 * with) and their IMDSv2 tokens. */
void sim_ec2_imds(struct sim_ec2 *ec2, struct arena *arena, uint64_t now_ns, uint64_t wall_ns,
                  const struct sim_http_request *request, struct sim_http_response *ret);

/* The control endpoint (/_sim/...): state as JSON, faults, drains, request log. Documented in
 * hack/ec2sim/README.md. */
void sim_ec2_control(struct sim_ec2 *ec2, struct arena *arena, uint64_t now_ns, uint64_t wall_ns,
                     const struct sim_http_request *request, struct sim_http_response *ret);

/* ---- the same EC2 as typed calls: what agents in the world use. Throttled, lagging and faulty
 * alike. ---- */

enum cloud_code sim_ec2_create_eni(struct sim_ec2 *ec2, uint64_t now_ns,
                                   const struct eni_intent *intent, struct aws_id *ret_eni);
enum cloud_code sim_ec2_attach_eni(struct sim_ec2 *ec2, uint64_t now_ns, const struct aws_id *eni,
                                   const struct aws_id *instance, uint32_t device_index);
enum cloud_code sim_ec2_set_delete_on_termination(struct sim_ec2 *ec2, uint64_t now_ns,
                                                  const struct aws_id *eni);
enum cloud_code sim_ec2_assign(struct sim_ec2 *ec2, uint64_t now_ns, const struct aws_id *eni,
                               uint32_t ips, uint32_t prefixes);
enum cloud_code sim_ec2_unassign(struct sim_ec2 *ec2, uint64_t now_ns, const struct aws_id *eni,
                                 const uint32_t *addresses, uint32_t count, bool prefixes);
enum cloud_code sim_ec2_detach_eni(struct sim_ec2 *ec2, uint64_t now_ns, const struct aws_id *eni);
enum cloud_code sim_ec2_delete_eni(struct sim_ec2 *ec2, uint64_t now_ns, const struct aws_id *eni);
enum cloud_code sim_ec2_tag(struct sim_ec2 *ec2, uint64_t now_ns, const struct aws_id *resource,
                            const struct pair *tags, uint32_t count);

/* An instance comes (in a subnet, with its primary ENI) or goes (ENIs with DeleteOnTermination
 * go along). */
enum cloud_code sim_ec2_run_instance(struct sim_ec2 *ec2, uint64_t now_ns, const struct aws_id *id,
                                     struct slice type, const struct aws_id *subnet,
                                     const struct pair *tags, uint32_t tag_count);
enum cloud_code sim_ec2_terminate(struct sim_ec2 *ec2, uint64_t now_ns,
                                  const struct aws_id *instance);

/* Instances as they are, without lag, terminated ones left out; in the order of their coming. In
 * the arena. */
struct sim_instance_view {
    struct aws_id id, subnet; /* of its primary ENI */
    struct slice zone, dns_name;
    struct instance_type type;
    uint32_t primary_ip;
    bool running;
    const struct pair *tags;
    uint32_t tag_count;
};

const struct sim_instance_view *sim_ec2_instances(const struct sim_ec2 *ec2, struct arena *arena,
                                                  uint32_t *ret_count);

/* What the instance metadata service shows, i.e. attachments and addresses as they are, without
 * lag. In the arena, with ascending device index. */
const struct eni *sim_ec2_instance_enis(const struct sim_ec2 *ec2, struct arena *arena,
                                        const struct aws_id *instance, uint32_t *ret_count);
/* One of them alone; NULL: not attached to it. */
const struct eni *sim_ec2_instance_eni(const struct sim_ec2 *ec2, struct arena *arena,
                                       const struct aws_id *instance, const struct aws_id *id);
/* Another number whenever something changed about what sim_ec2_instance_enis shows; never 0. 0:
 * no such instance. */
uint64_t sim_ec2_instance_version(const struct sim_ec2 *ec2, const struct aws_id *instance);
/* What DescribeSubnets shows an agent: with lag, from its bucket, with its faults. *ret in the
 * arena, in the scenario's order. */
enum cloud_code sim_ec2_describe_subnets(struct sim_ec2 *ec2, uint64_t now_ns, struct arena *arena,
                                         const struct subnet **ret, uint32_t *ret_count);
/* The truth about subnets: free addresses, without lag; in the scenario's order. */
const struct subnet *sim_ec2_subnets(const struct sim_ec2 *ec2, struct arena *arena,
                                     uint32_t *ret_count);
uint32_t sim_ec2_free_prefixes(const struct sim_ec2 *ec2, const struct aws_id *subnet);

/* Other tenants of a subnet: takes or gives back addresses until `free` are left (an own kind of
 * ENI, not visible as the cluster's). */
enum err sim_ec2_drain(struct sim_ec2 *ec2, uint64_t now_ns, const struct aws_id *subnet,
                       uint32_t free, struct error *error) ERR_CHECKED;

/* Lag, faults that are due, asynchronous state changes (attaching -> in-use). */
void sim_ec2_advance(struct sim_ec2 *ec2, uint64_t now_ns);
uint64_t sim_ec2_deadline_ns(const struct sim_ec2 *ec2);

/* ---- the agent (ipamd v1.23.2) of one node ---- */

struct sim_agent;

struct sim_agent_config {
    struct aws_id instance;
    struct slice node;
    struct agent_settings settings; /* copied */
    struct instance_type type;
    uint32_t max_pods;
    struct eniconfig eniconfig; /* custom networking: the node's */
    uint64_t seed;              /* phase of its timers, map order */
    uint64_t warm_start_ns;     /* when it starts, monotonic */
    uint64_t wall_offset_ns;    /* wall time less monotonic time: for the tag createdAt */
    bool serving;    /* has been for long: knows its ENIs; warm_start_ns is its loop's phase */
    uint64_t now_ns; /* serving: since when it is looked at, at most warm_start_ns */
    bool trace;      /* keep happenings for sim_agent_trace; costs memory */
};

struct sim_agent *sim_agent_new(const struct sim_agent_config *config, struct sim_ec2 *ec2);
void sim_agent_free(struct sim_agent *agent);

/* Runs what is due: the 5 s pool loop, the 60 s reconcile, the 120 s cooldown (facts: agent-
 * ipamd.md, measured runs A to H). */
void sim_agent_advance(struct sim_agent *agent, uint64_t now_ns);
uint64_t sim_agent_deadline_ns(const struct sim_agent *agent);

/* A pod's CNI ADD and DEL, as the kubelet asks. ERR_UNAVAILABLE: the agent has no address
 * ("failed to assign an IP address to container"); freed addresses cool for 30 s. `pod` is any
 * unique key. */
enum err sim_agent_add(struct sim_agent *agent, uint64_t now_ns, struct slice pod, uint32_t *ret_ip,
                       struct error *error) ERR_CHECKED;
void sim_agent_del(struct sim_agent *agent, uint64_t now_ns, struct slice pod);

/* The node got or lost the taint node.kubernetes.io/unschedulable: unless told otherwise the
 * agent then neither grows nor frees. */
void sim_agent_cordon(struct sim_agent *agent, uint64_t now_ns, bool cordoned);
/* The container is restarted; pods keep their addresses. */
void sim_agent_restart(struct sim_agent *agent, uint64_t now_ns);

struct sim_agent_stats {
    bool running; /* false: crash-looping (custom networking without an address) */
    uint32_t enis, addresses, assigned, cooling;
    uint64_t enis_created, enis_adopted, enis_freed, ec2_calls, ec2_errors, adds_refused;
    uint64_t cooldown_until_ns; /* 0: none */
};

void sim_agent_stats(const struct sim_agent *agent, struct sim_agent_stats *ret);
/* Happenings since the last call, if config.trace asked for them: in the arena, one line each
 * ("adopts eni-... with 5 addresses"). */
struct slice sim_agent_trace(struct sim_agent *agent, struct arena *arena);

#endif
