#!/usr/bin/env bats
# kill -9 between any two calls to EC2, then a restart: the need is met by one ENI, attached once, and none is left over.

load lib

setup() {
    work "$BATS_TEST_TMPDIR"
    cluster_exhausted
    pool_apply pods
}

teardown() {
    cluster_stop
}

# One ENI of ours at node-a1 with everything that it needs, and no other in the whole account.
one_eni_attached_once() {
    within 60 "one ENI of ours, attached, going with its instance, and no other" jq_true \
        'length == 1 and .[0].instance == "i-0a000000000000001" and .[0].state == "attached" and .[0].delete_on_termination' our_enis
    # Three pods wait: it brought what they need.
    within 30 "addresses for the pods that wait" jq_true '.[0].ips | length >= 3' our_enis
    jq_true '[.[] | select(.action == "AttachNetworkInterface" and .code == "ok")] | length == 1' mutations controller ||
        fail "attached more than once: $(mutations controller | jq -c '.[] | [.action, .code]')"
}

# A node in need, all of it known before the controller looks.
need_on_a1() {
    pods_create web node-a1 8
    within 60 "pods to be refused by the agent" refused_pods web
}

# The lease of one that was killed lapses after 15 s; here somebody has taken it away.
restart() {
    [ -z "$CONTROLLER_PID" ] || controller_kill
    kubectl delete lease -n headroom-system headroom-controller --ignore-not-found
    controller_start
}

# crash_at FAULT ACTION: the controller's first ACTION meets FAULT; then it is killed, and started again.
crash_at() {
    local fault=$1 action=$2
    need_on_a1
    sim_fault "$fault" "$action" controller '"all"' # its retries too
    controller_start
    within 30 "$action to meet its fault" fault_met "$action"
    controller_kill
    sim_faults_clear
    restart
    one_eni_attached_once
}

@test "killed when CreateNetworkInterface was done and not answered" { crash_at hold CreateNetworkInterface; }
@test "killed when CreateNetworkInterface was sent and never arrived" { crash_at lost_request CreateNetworkInterface; }
@test "killed when AttachNetworkInterface was done and not answered" { crash_at hold AttachNetworkInterface; }
@test "killed when AttachNetworkInterface was sent and never arrived" { crash_at lost_request AttachNetworkInterface; }
@test "killed when ModifyNetworkInterfaceAttribute was done and not answered" { crash_at hold ModifyNetworkInterfaceAttribute; }
@test "killed when ModifyNetworkInterfaceAttribute was sent and never arrived" { crash_at lost_request ModifyNetworkInterfaceAttribute; }

@test "killed after the attachment, when all was done: nothing is done again" {
    need_on_a1
    controller_start
    within 30 "an ENI to be attached" attached_by_us i-0a000000000000001 1
    restart
    within 30 "the pool to be ready" controller_ready
    one_eni_attached_once
}

@test "the lease of the killed one is waited for: nothing is done before it has lapsed" {
    need_on_a1
    sim_fault hold CreateNetworkInterface controller
    controller_start
    within 30 "the creation to be held" fault_met CreateNetworkInterface
    controller_kill
    sim_faults_clear
    controller_start
    within 60 "an ENI to be attached" attached_by_us i-0a000000000000001 1
    one_eni_attached_once
    jq_true '.spec.leaseTransitions >= 1' kubectl get lease -n headroom-system headroom-controller -o json
}

@test "the need is gone after the crash: the ENI that was made for it is deleted, once" {
    need_on_a1
    sim_fault lost_request AttachNetworkInterface controller '"all"'
    controller_start
    within 30 "the attachment to be tried" fault_met AttachNetworkInterface
    controller_kill
    sim_faults_clear
    kubectl delete pods -l app=web --force --grace-period=0
    sim_drain nodes-a 40
    restart
    within 240 "the leftover to be deleted" jq_true 'length == 0' our_enis
    within 30 "an event that says so" event_reason LeakedENIDeleted
    jq_true '[.[] | select(.action == "DeleteNetworkInterface" and .code == "ok")] | length == 1' mutations controller
}
