#!/usr/bin/env bats
# kill -9 between any two calls to EC2, then a restart: the need is met by one ENI, attached once, and none is left over.

load lib

setup() {
    work "$BATS_TEST_TMPDIR"
    cluster_start zones WARM_ENI_TARGET=0
    pool_apply pods
}

teardown() {
    cluster_stop
}

# One ENI of ours at node-a1 with everything that it needs, and no other in the whole account.
one_eni_attached_once() {
    within 100 "all pods to have addresses" pods_running web 8
    within 100 "one ENI of ours, attached, going with its instance, and no other" jq_true \
        'length == 1 and .[0].instance == "i-0a000000000000001" and .[0].delete_on_termination == true' our_enis
    [ "$(requests | jq '[.[] | select(.who == "controller" and .action == "AttachNetworkInterface" and .code == "ok")] | length')" -le 1 ] ||
        fail "attached more than once: $(mutations controller | jq -c '.[] | [.action, .code]')"
}

# crash_at FAULT ACTION: the controller's first ACTION meets FAULT; then it is killed, and started again.
crash_at() {
    local fault=$1 action=$2
    controller_start
    within 30 "the pool to be ready" pool_condition pods Ready True
    sim_drain nodes-a 0
    within 60 "the pool to say that nodes-a is exhausted" subnet_state pods subnet-0a00000000000000a Exhausted
    sim_fault "$fault" "$action" controller
    pods_create web node-a1 8
    within 30 "$action to meet its fault" fault_met "$action"
    controller_kill
    sim_faults_clear
    controller_start
    one_eni_attached_once
}

@test "killed when CreateNetworkInterface was done and not answered" { crash_at hold CreateNetworkInterface; }
@test "killed when CreateNetworkInterface was sent and never arrived" { crash_at lost_request CreateNetworkInterface; }
@test "killed when AttachNetworkInterface was done and not answered" { crash_at hold AttachNetworkInterface; }
@test "killed when AttachNetworkInterface was sent and never arrived" { crash_at lost_request AttachNetworkInterface; }
@test "killed when ModifyNetworkInterfaceAttribute was done and not answered" { crash_at hold ModifyNetworkInterfaceAttribute; }
@test "killed when ModifyNetworkInterfaceAttribute was sent and never arrived" { crash_at lost_request ModifyNetworkInterfaceAttribute; }

@test "killed after the attachment, when all was done: nothing is done again" {
    controller_start
    within 30 "the pool to be ready" pool_condition pods Ready True
    sim_drain nodes-a 0
    within 60 "the pool to say that nodes-a is exhausted" subnet_state pods subnet-0a00000000000000a Exhausted
    pods_create web node-a1 8
    within 30 "an ENI to be attached" attached_by_us i-0a000000000000001 1
    controller_kill
    controller_start
    one_eni_attached_once
}

@test "the need is gone after the crash: the ENI that was made for it is deleted, once" {
    controller_start
    within 30 "the pool to be ready" pool_condition pods Ready True
    sim_drain nodes-a 0
    within 60 "the pool to say that nodes-a is exhausted" subnet_state pods subnet-0a00000000000000a Exhausted
    sim_fault lost_request AttachNetworkInterface controller
    pods_create web node-a1 8
    within 30 "the attachment to be tried" fault_met AttachNetworkInterface
    controller_kill
    sim_faults_clear
    kubectl delete pods -l app=web --force --grace-period=0
    sim_drain nodes-a 40
    controller_start
    within 240 "the leftover to be deleted" jq_true 'length == 0' our_enis
    within 30 "an event that says so" event_reason LeakedENIDeleted
}
