#!/usr/bin/env bats
# --once --dry-run -o json: what users run before they trust it.

load lib

setup() {
    work "$BATS_TEST_TMPDIR"
    cluster_start zones WARM_ENI_TARGET=0
}

teardown() {
    cluster_stop
}

once() {
    controller_command --once --dry-run -o json "$@"
    timeout 60 "${COMMAND[@]}" 2>"$WORK/controller.log" >"$WORK/plan.json"
}

@test "it prints the plan as JSON, changes nothing, and ends with 0" {
    local lease_before
    pool_apply pods
    sim_drain nodes-a 0
    pods_create web node-a1 8
    within 60 "pods to be refused by the agent" refused_pods web
    once
    jq -e 'type == "object"' "$WORK/plan.json" >/dev/null || fail "$(head -c 2000 "$WORK/plan.json")"
    # The node that is in need, with what would be done for it, and where.
    jq -e '[.. | objects | select(.node? == "node-a1")] | length > 0' "$WORK/plan.json" >/dev/null || fail "$(jq -c . "$WORK/plan.json")"
    grep -q subnet-0a00000000000001a "$WORK/plan.json"
    [ "$(mutations controller | jq length)" -eq 0 ]
    [ -z "$(kubectl get snp pods -o jsonpath='{.status}')" ]
    ! kubectl get lease -n headroom-system headroom-controller
    ! kubectl get events -n default -o name | grep -i headroom
}

@test "with nothing to do it says so" {
    pool_apply pods
    once
    jq -e . "$WORK/plan.json" >/dev/null
    ! grep -q '"Attach"' "$WORK/plan.json"
}
