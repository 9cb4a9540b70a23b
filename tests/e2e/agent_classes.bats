#!/usr/bin/env bats
# The other stall classes that one node can show (facts: section 2), each with the real agent: it refuses a pod, then Headroom runs, and the
# pod gets its address from the sibling subnet. About two minutes each, so they run only with HEADROOM_LONG=1.
# HEADROOM_KEPT_S: how long the agent is watched afterwards (default 75; the nightly run takes 600).

load lib
load agent

setup() {
    [ -n "${HEADROOM_LONG:-}" ] || skip "takes minutes: HEADROOM_LONG=1 runs it"
    work "$BATS_TEST_TMPDIR/work"
    agent_needs
}

teardown() {
    [ -n "${BATS_TEST_COMPLETED:-}${BATS_TEST_SKIPPED:-}" ] || agent_logs
    [ -z "${HEADROOM_LONG:-}" ] || { agent_stop && cluster_stop; }
}

@test "discovery off: one subnet and no other by itself" {
    story agent 3 ENABLE_SUBNET_DISCOVERY=false
    served_by_sibling 120
    kept "${HEADROOM_KEPT_S:-75}"
}

@test "small warm target: WARM_IP_TARGET=2" {
    story agent 4 WARM_IP_TARGET=2
    served_by_sibling 120
    kept "${HEADROOM_KEPT_S:-75}"
}

@test "nothing warm: WARM_ENI_TARGET=0" {
    story agent 3 WARM_ENI_TARGET=0
    served_by_sibling 120
    kept "${HEADROOM_KEPT_S:-75}"
}

@test "all or nothing: the tagged subnet has fewer addresses than a whole ENI" {
    story agent-tagged 3
    within 120 "the refused pod to have its address" pod_served "$LAST"
    says "all or nothing: $LAST waited $(pod_wait "$LAST") s and got $(pod_address "$LAST")"
    kept "${HEADROOM_KEPT_S:-75}"
}

@test "nibbling: a dying subnet gives one address every 5 s, and adoption waits for its end" {
    story agent-xlarge 10
    within 180 "the refused pod to have its address" pod_served "$LAST"
    says "nibbling: $LAST waited $(pod_wait "$LAST") s and got $(pod_address "$LAST")"
    within 180 "all ten to have theirs" pods_served 10
    says "nibbling: the longest wait was $(longest_wait) s"
    kept "${HEADROOM_KEPT_S:-75}"
}

@test "prefix mode: no whole block of 16 in the subnet" {
    story agent-prefix 1 ENABLE_PREFIX_DELEGATION=true WARM_PREFIX_TARGET=1
    served_by_sibling 120
    kept "${HEADROOM_KEPT_S:-75}"
}

@test "custom networking: the ENIConfig's subnet runs out later" {
    agent_world agent-custom AWS_VPC_K8S_CNI_CUSTOM_NETWORK_CFG=true
    sim_drain eniconfig-a 6 # one ENI with its five
    agent_start
    within 60 "the agent to serve" agent_serves
    for i in 1 2 3 4 5 6; do pod_create "p$i"; done
    LAST=$(jq -rn 'first(inputs | select(.refused) | .pod)' <(within 60 "a refusal" any_refused && cat "$WORK/kubelet.log"))
    LAST=${LAST%-1}
    pool_apply pods
    controller_start
    served_by_sibling 120
    kept "${HEADROOM_KEPT_S:-75}"
}

# What the kubelet says of aws-node on the node: true or false.
agent_pod_ready() {
    local pod
    pod=$(kubectl -n kube-system get pods -l k8s-app=aws-node -o name)
    kubectl -n kube-system patch "$pod" --subresource=status --type=strategic -p "{\"status\":{
        \"conditions\":[{\"type\":\"Ready\",\"status\":\"${1^}\"}],\"containerStatuses\":[{\"name\":\"aws-node\",\"ready\":$1,
        \"image\":\"\",\"imageID\":\"\",\"restartCount\":0}]}}"
}

@test "a node that starts in an exhausted subnet: what it may grow into is there before its agent" {
    local pod
    agent_world agent-xlarge
    sim_drain nodes-a 0
    agent_pod_ready false
    pool_apply pods
    controller_start
    within 30 "three ENIs to be attached" attached_by_us $AGENT_INSTANCE 3
    agent_start
    within 60 "the agent to serve" agent_serves
    agent_pod_ready true
    for pod in $(seq 1 30); do pod_create "p$pod"; done
    within 120 "all pods to have addresses" pods_served 30
    says "a node that starts: the longest of 30 waits was $(longest_wait) s"
    jq -se 'all(.[] | select(.address != null); .waited_s <= 25)' "$WORK/kubelet.log" >/dev/null || fail "$(cat "$WORK/kubelet.log")"
    kept "${HEADROOM_KEPT_S:-75}"
}
