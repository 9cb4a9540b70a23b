#!/usr/bin/env bats
# The main job. A node's subnet has no address left, pods come, and their node gets an ENI from the healthy sibling in its zone, within five
# seconds, such that the unmodified agent adopts it and the pods run.
#
# The story is told once, in setup_file; each test looks at one side of it.

load lib

NEED=8 # pods; the node's own ENI has 5 addresses

setup_file() {
    work "$BATS_FILE_TMPDIR"
    # An agent without warm ENIs: nothing announces the need before it is there.
    cluster_start zones WARM_ENI_TARGET=0
    sim_drain nodes-a 0
    controller_start
    pool_apply pods
    within 60 "the pool to say that nodes-a is exhausted" subnet_state pods subnet-0a00000000000000a Exhausted
    mutations controller >"$WORK/before.json"
    now_ns >"$WORK/need_ns"
    pods_create web node-a1 $NEED
    within 60 "an ENI to be attached" attached_by_us i-0a000000000000001 1
    within 60 "it to have addresses for the three that have none" jq_true '.[0].ips | length >= 3' our_enis
    mutations controller >"$WORK/mutations.json"
    our_enis >"$WORK/enis.json"
    within 100 "all pods to have addresses" pods_running web $NEED
    # What stays in the file for the tests' own shells.
    export WORK SIM SIM_PID METRICS
}

teardown_file() {
    cluster_stop
}

eni() { jq -r ".[0]$1" "$WORK/enis.json"; }

@test "nothing was changed in EC2 before there was a need" {
    [ "$(jq length "$WORK/before.json")" -eq 0 ] || fail "$(jq -c '.[]' "$WORK/before.json")"
}

@test "it was attached within 5 s of the pods' need" {
    local need attached last
    need=$(cat "$WORK/need_ns")
    at() { jq -r "$1" "$WORK/mutations.json" | xargs -I{} date -d {} +%s%N; }
    attached=$(at '[.[] | select(.action == "AttachNetworkInterface" and .code == "ok")][0].time')
    last=$(at '.[-1].time') # with it, everyone who waits has an address
    echo "# attached $(((attached - need) / 1000000)) ms after the pods were asked for, complete after $(((last - need) / 1000000)) ms" >&3
    [ "$attached" -ge "$need" ]
    [ $((last - need)) -le 5000000000 ]
}

@test "it took three calls, one ENI, and one call more at most for pods that came while it was made" {
    jq -e 'map(.action) as $all | ($all | map(select(. != "AssignPrivateIpAddresses")))
        == ["CreateNetworkInterface", "AttachNetworkInterface", "ModifyNetworkInterfaceAttribute"]
        and ($all | length) <= 4' "$WORK/mutations.json" || fail "$(jq -c '.[] | [.action, .code, .params]' "$WORK/mutations.json")"
    [ "$(jq length "$WORK/enis.json")" -eq 1 ]
}

@test "it lies in the healthy sibling of the node's zone, at the highest free device index" {
    [ "$(eni .subnet)" = subnet-0a00000000000001a ]
    [ "$(eni .instance)" = i-0a000000000000001 ]
    [ "$(eni .device_index)" -eq 2 ] # t3.medium has 0 to 2
}

@test "it goes with its instance" {
    [ "$(eni .delete_on_termination)" = true ]
}

@test "it has the security groups of the node's primary ENI" {
    [ "$(eni '.groups | sort | join(",")')" = sg-0a1b2c3d4e5f60001,sg-0a1b2c3d4e5f60002 ]
}

@test "it carries the tags by which the agent and we know it" {
    local tags
    tags=$(eni .tags)
    [ "$(jq -r '."node.k8s.amazonaws.com/instance_id"' <<<"$tags")" = i-0a000000000000001 ]
    [ "$(jq -r '."cluster.k8s.amazonaws.com/name"' <<<"$tags")" = e2e ]
    # The agent's own mark, by which its adoption is seen, is left to the agent.
    [ "$(jq -r '."eks:eni:owner"' <<<"$tags")" = null ]
    jq_true '.[0].tags."eks:eni:owner" == "amazon-vpc-cni"' our_enis
    [ "$(jq -r '."headroom.dev/cluster"' <<<"$tags")" = e2e ]
    [ "$(jq -r '."headroom.dev/pool"' <<<"$tags")" = pods ]
    [ "$(jq -r '."headroom.dev/node"' <<<"$tags")" = node-a1 ]
    [ "$(jq -r '."headroom.dev/intent"' <<<"$tags")" != null ]
}

@test "it has addresses for all pods that waited, and no more than the agent keeps" {
    local ips
    ips=$(eni '.ips | length')
    echo "# $ips addresses" >&3
    [ "$ips" -ge $((NEED - 5)) ] && [ "$ips" -le 5 ]
    # With WARM_ENI_TARGET=0 the agent frees an ENI once a whole ENI's addresses, five, are free. Pods that are seen all at once make it
    # five, pods seen one by one four.
    [ $((5 + ips - NEED)) -le 4 ]
}

@test "every pod runs, those that waited with addresses of the sibling" {
    local got
    got=$(kubectl get pods -l app=web -o jsonpath='{range .items[*]}{.status.podIP}{"\n"}{end}')
    [ "$(grep -c '^10\.0\.' <<<"$got")" -eq $NEED ]
    [ "$(sort -u <<<"$got" | wc -l)" -eq $NEED ]
    [ "$(grep -c '^10\.0\.1\.' <<<"$got")" -ge 3 ]
}

@test "kubectl describe of the node shows what was done and why" {
    local text
    text=$(kubectl describe node node-a1)
    [[ $text == *ENIPreAttached* && $text == *"$(eni .id)"* && $text == *subnet-0a00000000000001a* ]] || fail "$text"
}

@test "kubectl describe of the pool shows the exhausted subnet and the ENI" {
    local text
    text=$(kubectl describe snp pods)
    [[ $text == *SubnetExhausted* && $text == *ENIPreAttached* && $text == *subnet-0a00000000000000a* ]] || fail "$text"
}

@test "the pool's status shows both subnets' state, and what to think of it" {
    subnet_state pods subnet-0a00000000000000a Exhausted
    subnet_state pods subnet-0a00000000000001a Healthy
    # Its zone has a healthy one beside it, so that the pool is well.
    pool_condition pods Ready True
    pool_condition pods SubnetsReady True
    pool_condition pods CapacityHealthy True
    pool_condition pods CloudAPIHealthy True
    run kubectl get snp pods -o wide --no-headers
    [[ $output =~ ^pods\ +True\ +4\ +[0-9]+\ +[0-9]+\ +[0-9a-z]+\ +[1-9]\ +[0-9]+\ +Ready$ ]] || fail "$output"
    [ "$(kubectl get snp pods -o json | jq '.status.observedGeneration == .metadata.generation')" = true ]
}

@test "the metrics say the same, in Prometheus' format" {
    curl -fsS "$METRICS/metrics" >"$BATS_TEST_TMPDIR/metrics"
    promtool check metrics <"$BATS_TEST_TMPDIR/metrics"
    grep -q '^headroom_enis_attached_total [1-9]' "$BATS_TEST_TMPDIR/metrics"
    grep -q '^headroom_subnet_state{.*subnet="subnet-0a00000000000000a".*state="Exhausted"} 1$' "$BATS_TEST_TMPDIR/metrics"
    curl -fsS "$METRICS/healthz" && curl -fsS "$METRICS/readyz"
}

@test "docs/metrics.md lists every metric, and no other" {
    local name
    curl -fsS "$METRICS/metrics" | awk '/^# TYPE/ {print $3}' | sort >"$BATS_TEST_TMPDIR/shown"
    grep '^|' "$ROOT/docs/metrics.md" | cut -d'|' -f2 | grep -oE '`(headroom|process)_[a-z0-9_]+`' | tr -d '`' | sort >"$BATS_TEST_TMPDIR/listed"
    diff "$BATS_TEST_TMPDIR/shown" "$BATS_TEST_TMPDIR/listed"
}

@test "the log is one JSON object a line, and holds no secret" {
    jq -es 'length > 3 and all(.[]; has("time") and has("level") and has("msg"))' "$WORK/controller.log" >"$BATS_TEST_TMPDIR/answer"
    ! grep -qF 'controller+secret/for/tests/EXAMPLEKEY' "$WORK/controller.log"
    ! grep -qF "$(awk -F'"' '/token:/ {print $2}' "$TESTENV/controller.kubeconfig")" "$WORK/controller.log"
}
