#!/usr/bin/env bats
# headroom snapshot: the cluster as a scenario that simulate plays, with the same subnets and the same free counts.

load lib

setup() {
    work "$BATS_TEST_TMPDIR"
    cluster_start zones
}

teardown() { cluster_stop; }

snapshot() {
    env -i "PATH=$PATH" "HOME=$WORK" "KUBECONFIG=$KUBECONFIG" AWS_REGION=us-west-2 "AWS_ENDPOINT_URL=$SIM" \
        AWS_EC2_METADATA_DISABLED=true AWS_ACCESS_KEY_ID=AKIACONTROLLEREXAMPLE \
        AWS_SECRET_ACCESS_KEY=controller+secret/for/tests/EXAMPLEKEY "$ROOT/build/headroom" snapshot
}

@test "what simulate plays of a snapshot begins with the cluster's own subnets, nodes, ENIs and pods" {
    local column
    pool_apply pods 'dryRun: true' 'watermarks: {low: "15%"}'
    pods_create web node-a1 9
    pods_create web-b node-b1 3
    within 60 "the pods of node-a1" pods_running web 9
    within 60 "the pods of node-b1" pods_running web-b 3
    sim_drain pods-a 100

    snapshot >"$WORK/cluster.yaml"
    not grep -qiE 'secret|AKIA|token' "$WORK/cluster.yaml"
    "$ROOT/build/headroom" simulate "$WORK/cluster.yaml" -o json >"$WORK/played.json"

    # Each subnet's free addresses, by EC2's own count and at the simulation's begin.
    sim_state | jq -S '[.subnets[] | {key: .id, value: .free}] | from_entries' >"$WORK/really"
    jq -S '[.headroom.subnets[] | {key: .subnet, value: .free_begin}] | from_entries' "$WORK/played.json" >"$WORK/played"
    diff "$WORK/really" "$WORK/played"

    # Nobody waits who has an address now, and the pool plays though it is a dry run.
    for column in agent headroom oracle; do
        jq -e ".$column | .pods_started == 12 and .pods_waited == 0 and .waiting_at_end == 0" "$WORK/played.json"
    done
    grep -q 'WARM_ENI_TARGET: "1"' "$WORK/cluster.yaml"
    grep -q 'low: 15%' "$WORK/cluster.yaml"
    not grep -q dryRun "$WORK/cluster.yaml"

    # A question: what if others took the rest of node-a's subnet, and twelve pods more came?
    {
        grep -v '^  # ' "$WORK/cluster.yaml"
        echo '  - {drain: subnet-0a00000000000000a, at: 1m, over: 3m, free: 0}'
        echo '  - {pods: growth, at: 5m, every: 10s, until: 8m, count: 1}'
    } >"$WORK/question.yaml"
    "$ROOT/build/headroom" simulate "$WORK/question.yaml" -o json >"$WORK/answer.json"
    jq -e '.headroom.enis_preattached > 0 and .headroom.stall_s < .agent.stall_s' "$WORK/answer.json"
    "$ROOT/build/headroom" simulate "$WORK/question.yaml" | grep -q '^subnet-0a00000000000000a *59 .* 0'
}
