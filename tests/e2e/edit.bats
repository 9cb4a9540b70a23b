#!/usr/bin/env bats
# A user edits the SubnetPool; the next decision follows it, without a restart.

load lib

setup() {
    work "$BATS_TEST_TMPDIR"
    cluster_exhausted
    controller_start
    looks
}

# Somebody looks at the page's data, so that what others take from a subnet is seen within seconds and not at the next quiet read.
looks() {
    launch looker bash -c 'while :; do curl -sS -o /dev/null --max-time 5 "$1/api/state"; sleep 3; done' looker "$METRICS"
}

teardown() {
    cluster_stop
}

# Brings node-a1 into need: its subnet is empty, and more pods come than it has addresses.
need_on_a1() {
    within 30 "the pool to say that nodes-a is exhausted" subnet_state pods subnet-0a00000000000000a Exhausted
    pods_create web node-a1 8
}

@test "dryRun: it says what it would do and does nothing, until it may" {
    pool_apply pods 'dryRun: true'
    need_on_a1
    within 60 "an event that says what would be done" event_about pods DryRun
    [ "$(mutations controller | jq length)" -eq 0 ]
    kubectl patch snp pods --type merge -p '{"spec":{"dryRun":false}}'
    within 15 "an ENI to be attached" attached_by_us i-0a000000000000001 1
}

@test "paused: nothing changes in EC2, the status goes on, until it is let go" {
    pool_apply pods 'paused: true'
    need_on_a1
    within 60 "the node to be counted as at risk" jq_true '.status.nodes.atRisk >= 1' kubectl get snp pods -o json
    [ "$(mutations controller | jq length)" -eq 0 ]
    kubectl patch snp pods --type merge -p '{"spec":{"paused":false}}'
    within 15 "an ENI to be attached" attached_by_us i-0a000000000000001 1
    within 60 "nobody to be at risk" jq_true '.status.nodes.atRisk == 0' kubectl get snp pods -o json
}

@test "nodeSelector: a node that joins the pool is served, one that leaves it is not" {
    pool_apply pods 'nodeSelector: {matchLabels: {kubernetes.io/hostname: node-b1}}'
    need_on_a1
    within 60 "the pool to serve one node" jq_true '.status.nodes.total == 1' kubectl get snp pods -o json
    [ "$(mutations controller | jq length)" -eq 0 ]
    kubectl patch snp pods --type merge -p '{"spec":{"nodeSelector":{"matchLabels":{"kubernetes.io/hostname":"node-a1"}}}}'
    within 15 "an ENI to be attached" attached_by_us i-0a000000000000001 1
    # node-b1 has left: its need is none of ours now.
    sim_drain nodes-b 0
    pods_create web-b node-b1 8
    within 60 "the pool to serve node-a1 alone" jq_true '.status.nodes.total == 1' kubectl get snp pods -o json
    within 60 "pods of node-b1 to be refused by its agent" refused_pods web-b
    [ "$(our_enis | jq '[.[] | select(.instance == "i-0a000000000000003")] | length')" -eq 0 ]
}

@test "watermarks: a sibling that counts as low is passed over for one that does not" {
    pool_apply pods 'watermarks: {low: 10, high: 20}'
    kubectl patch snp pods --type merge -p '{"spec":{"subnetSelectorTerms":[{"tags":{"headroom.dev/pool":"*"}}]}}'
    # More than pods-a-small has; and at once, not at the next quiet look.
    sim_drain pods-a 90
    within 60 "pods-a to be healthy with 90 free" jq_true \
        '.status.subnets[] | select(.id == "subnet-0a00000000000001a") | .state == "Healthy" and .free <= 90' kubectl get snp pods -o json
    kubectl patch snp pods --type merge -p '{"spec":{"watermarks":{"low":"50%","high":"60%"}}}'
    within 30 "pods-a to be low" subnet_state pods subnet-0a00000000000001a Low
    within 30 "an event that says so" event_about pods SubnetLow
    need_on_a1
    within 15 "an ENI to be attached" attached_by_us i-0a000000000000001 1
    [ "$(our_enis | jq -r '.[0].subnet')" = subnet-0a00000000000002a ]
    kubectl patch snp pods --type merge -p '{"spec":{"watermarks":{"low":10,"high":20}}}'
    within 30 "pods-a to be healthy again" subnet_state pods subnet-0a00000000000001a Healthy
    within 30 "an event that says so" event_about pods SubnetRecovered
}

@test "terms: a subnet that joins the pool is used" {
    kubectl apply -f - <<'YAML'
apiVersion: headroom.dev/v1alpha1
kind: SubnetPool
metadata: {name: pods}
spec:
  onNodeExhausted: Taint
  subnetSelectorTerms: [{id: subnet-0a00000000000000a}]
YAML
    need_on_a1
    within 60 "the node's condition to say that nothing can help" node_condition node-a1 SufficientIP False
    within 60 "the node to be tainted" node_tainted node-a1
    within 60 "an event that says why" event_about node-a1 NoHealthySubnet
    kubectl patch snp pods --type merge -p '{"spec":{"subnetSelectorTerms":[{"id":"subnet-0a00000000000000a"},{"id":"subnet-0a00000000000001a"}]}}'
    within 15 "an ENI to be attached" attached_by_us i-0a000000000000001 1
    within 150 "the condition to be taken back" node_condition node-a1 SufficientIP True
    within 60 "the taint to be taken off" node_untainted node-a1
}

@test "a pool that is deleted takes its taint and condition along, and leaves ENIs in place" {
    pool_apply pods 'onNodeExhausted: Taint'
    need_on_a1
    within 15 "an ENI to be attached" attached_by_us i-0a000000000000001 1
    sim_drain pods-b 0
    sim_drain nodes-b 0
    pods_create web-b node-b1 8
    within 60 "node-b1 to be tainted" node_tainted node-b1
    kubectl delete snp pods
    within 60 "the taint to be taken off" node_untainted node-b1
    within 60 "the condition not to say False" not node_condition node-b1 SufficientIP False
    [ "$(our_enis | jq 'map(select(.instance == "i-0a000000000000001")) | length')" -eq 1 ]
    # No pool, no action.
    pods_create more node-a2 8
    within 60 "pods of node-a2 to be refused by its agent" refused_pods more
    [ "$(our_enis | jq length)" -eq 1 ]
}
