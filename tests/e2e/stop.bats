#!/usr/bin/env bats
# SIGTERM ends the controller cleanly, whatever it is doing.

load lib

setup() {
    work "$BATS_TEST_TMPDIR"
    cluster_exhausted
    pool_apply pods
}

teardown() {
    cluster_stop
}

holder() { kubectl get lease -n headroom-system headroom-controller -o jsonpath='{.spec.holderIdentity}'; }
lease_held() { [ -n "$(holder)" ]; }

@test "SIGTERM: the lease is given back, exit status 0" {
    controller_start
    within 30 "the lease to be held" lease_held
    controller_stop
    [ "$CONTROLLER_STATUS" -eq 0 ] || { logs_tail; fail "exit status $CONTROLLER_STATUS"; }
    [ -z "$(holder)" ]
}

@test "SIGTERM in the middle of an attachment: the next one finishes it" {
    controller_start
    within 30 "the pool to say that nodes-a is exhausted" subnet_state pods subnet-0a00000000000000a Exhausted
    sim_fault hold CreateNetworkInterface controller
    pods_create web node-a1 8
    within 30 "the creation to be held" fault_met CreateNetworkInterface
    kill -TERM "$CONTROLLER_PID"
    sim_faults_clear
    controller_wait
    [ "$CONTROLLER_STATUS" -eq 0 ] || { logs_tail; fail "exit status $CONTROLLER_STATUS"; }
    controller_start
    within 30 "an ENI to be attached" attached_by_us i-0a000000000000001 1
    within 100 "no other to be left" jq_true 'length == 1' our_enis
}

@test "a second replica stands by, and takes over within two seconds of a clean stop" {
    local first since
    controller_start
    first=$CONTROLLER_PID
    within 30 "the lease to be held" lease_held
    controller_start
    within 30 "the second to be ready" curl -fsS "$METRICS/readyz"
    [ "$(metric headroom_leader)" = 0 ]
    kill -TERM "$first"
    wait "$first"
    since=$(now_ns)
    within 10 "the second to lead" metric_is headroom_leader 1
    echo "# took over after $((($(now_ns) - since) / 1000000)) ms" >&3
    [ $(($(now_ns) - since)) -le 2500000000 ] # two seconds, and our own poll
}
