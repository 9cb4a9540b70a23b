#!/usr/bin/env bats
# Leading. Two controllers and a program on client-go's leaderelection contend for one Lease; EC2's log shows who acted when.

load lib

setup() {
    [ -n "${HEADROOM_LONG:-}" ] || skip "takes ten minutes; set HEADROOM_LONG=1"
    work "$BATS_TEST_TMPDIR"
    cluster_start lease
    pool_apply pods
}

teardown() {
    [ -z "${WORK:-}" ] || cluster_stop
}

@test "ten minutes of kills, stops and pauses among three contenders: never do two act at once" {
    local rival
    rival=$("$ROOT/hack/testenv/build" rival)
    run python3 "$BATS_TEST_DIRNAME/contend.py" --seconds "${HEADROOM_CONTEND_SECONDS:-600}" --seed "$RANDOM" --sim "$SIM" --work "$WORK" \
        --kubeconfig "$KUBECONFIG" --controller-kubeconfig "$TESTENV/controller.kubeconfig" \
        --controller "$ROOT/build/headroom-controller" --rival "$rival/contender"
    printf '# %s\n' "${lines[@]}" >&3
    [ "$status" -eq 0 ]
}
