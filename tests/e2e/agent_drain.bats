#!/usr/bin/env bats
# Early beats everything: others drain the node's subnet over four minutes while Headroom runs, then a pod comes every 3 s. With the real
# agent; no pod waits more than 3 s, and the ENIs that came early are kept. Six minutes and HEADROOM_KEPT_S, so it runs only with HEADROOM_LONG=1.

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

@test "a subnet drained over four minutes, then a pod every 3 s: none waits more than 3 s" {
    local free pod
    agent_world agent-drain
    agent_start
    within 60 "the agent to serve" agent_serves
    pool_apply pods
    controller_start
    for free in $(seq 220 -10 0); do # 23 steps, 240 s
        sim_drain nodes-a "$free"
        sleep 10.4
    done
    for pod in $(seq 1 24); do
        pod_create "p$pod"
        sleep 3
    done
    within 120 "all pods to have addresses" pods_served 24
    says "drained over four minutes: the longest of 24 waits was $(longest_wait) s; $(our_enis | jq length) ENIs came early"
    jq -se 'all(.[] | select(.address != null); .waited_s <= 3)' "$WORK/kubelet.log" >/dev/null || fail "$(cat "$WORK/kubelet.log")"
    kept "${HEADROOM_KEPT_S:-75}"
}
