#!/usr/bin/env bats
# The real agent, unmodified, with a real API server and ec2sim as EC2: a pod that it refuses gets its address once Headroom runs. The seconds
# are those of the agent's own timers (facts: it adopts in the first reconcile more than 60 s after its last change).
# HEADROOM_LONG=1 adds the other stall classes (agent_classes.bats) and the drain (agent_drain.bats).

load lib
load agent

setup() {
    work "$BATS_TEST_TMPDIR/work"
    agent_needs
}

teardown() {
    [ -n "${BATS_TEST_COMPLETED:-}" ] || agent_logs
    agent_stop
    cluster_stop
}

@test "exhausted subnet: the agent refuses a pod, adopts Headroom's ENI, serves the pod and keeps the ENI" {
    story agent 3
    served_by_sibling 120
    # What the agent found and made of it.
    our_enis >"$WORK/enis.json"
    [ "$(jq -r '.[0].tags."node.k8s.amazonaws.com/instance_id"' "$WORK/enis.json")" = $AGENT_INSTANCE ]
    [ "$(jq -r '.[0].tags."eks:eni:owner"' "$WORK/enis.json")" = amazon-vpc-cni ]
    [ "$(jq -r '.[0].device_index' "$WORK/enis.json")" -eq 2 ]
    pods_running "$LAST" 1
    kept 75 # an ENI that it did not need would go 62.6 s after its adoption
}

@test "custom networking, the ENIConfig's subnet full: the agent exits at each start until Headroom's ENI is there" {
    agent_world agent-custom AWS_VPC_K8S_CNI_CUSTOM_NETWORK_CFG=true
    agent_start
    within 60 "the agent to give up" grep -q "agent: exited with status 1" "$WORK/agent.log"
    pod_create p1
    LAST=p1
    pool_apply pods
    controller_start
    within 120 "the agent to serve" agent_serves
    served_by_sibling 60
    [ "$(our_enis | jq -r '.[0].groups | join(",")')" = sg-0a1b2c3d4e5f60002 ] # the ENIConfig's
}
