#!/usr/bin/env bats
# headroom snapshot: the cluster as a scenario that simulate plays, with the same subnets and the same free counts.

load lib

setup() {
    work "$BATS_TEST_TMPDIR"
    # node-b1 has both kinds of addresses, as nodes have whose agent was switched to prefixes and back.
    mkdir "$WORK/scenarios"
    sed 's/name: node-b1, .*groups: \[nodes\]/&, prefixes: 1/' "$BATS_TEST_DIRNAME/scenarios/zones.yaml" >"$WORK/scenarios/mixed.yaml"
    BATS_TEST_DIRNAME=$WORK cluster_start mixed
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
    kubectl cordon node-b1

    snapshot >"$WORK/cluster.yaml"
    not grep -qiE 'secret|AKIA|token' "$WORK/cluster.yaml"
    "$ROOT/build/headroom" simulate "$WORK/cluster.yaml" -o json >"$WORK/played.json"

    # Each subnet's free addresses, by EC2's own count and at the simulation's begin.
    sim_state | jq -S '[.subnets[] | {key: .id, value: .free}] | from_entries' >"$WORK/really"
    jq -S '[.headroom.subnets[] | {key: .subnet, value: .free_begin}] | from_entries' "$WORK/played.json" >"$WORK/played"
    diff "$WORK/really" "$WORK/played"

    # Each node's ENIs, with what they hold.
    sim_state | jq -Sc '[.enis[] | select(.instance != null) | {node: .instance, subnet, ips: (.ips | length), prefixes: (.prefixes | length)}] | sort' >"$WORK/really"
    "$HEADROOM_VENV/bin/python3" - "$WORK/cluster.yaml" <<'PYTHON' | jq -Sc sort >"$WORK/written"
import json, sys, yaml
rows = []
for i in yaml.safe_load(open(sys.argv[1]))["instances"]:
    for eni in [dict(i, ips=i.get("secondary_ips", 0))] + i.get("enis", []):
        rows.append({"node": i["id"], "subnet": eni["subnet"], "ips": eni.get("ips", 0), "prefixes": eni.get("prefixes", 0)})
print(json.dumps(rows))
PYTHON
    diff "$WORK/really" "$WORK/written"
    grep -q 'prefixes: 1, secondary_ips' "$WORK/cluster.yaml"

    # At rest nothing moves: what simulate plays stays as the cluster is, the cordoned node too, and no agent asks EC2 for anything.
    jq -e '.agent.ec2_calls == 0 and .agent.enis_attached == 0' "$WORK/played.json"
    jq -e '.agent.subnets | all(.free_least == .free_begin and .free_end == .free_begin)' "$WORK/played.json"
    grep -q 'cordon: "node-b1", at: 0s' "$WORK/cluster.yaml"
    # What it cannot know it says.
    grep -q '^# Guessed.*which addresses are free' "$WORK/cluster.yaml"
    grep -q '^# Not read.*CIDR reservations' "$WORK/cluster.yaml"

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

    # The questions that the snapshot itself suggests, by taking away a "#" each.
    sed 's/^  # - {name: more/  - {name: more/; s/^  # - {nodes:/  - {nodes:/' "$WORK/cluster.yaml" | "$ROOT/build/headroom" simulate - -o json >"$WORK/answer.json"
    jq -e '.agent.nodes_max == 13 and (.agent.subnets | any(.subnet == "more" and .total == 4091))' "$WORK/answer.json"
    sed 's/ENABLE_PREFIX_DELEGATION: "false"/ENABLE_PREFIX_DELEGATION: "true"/; s/^    # WARM_PREFIX/    WARM_PREFIX/' "$WORK/cluster.yaml" |
        "$ROOT/build/headroom" simulate - -o json | jq -e '.remarks == []'
}
