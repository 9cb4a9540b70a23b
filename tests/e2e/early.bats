#!/usr/bin/env bats
# Better early than late: while others drain a subnet, its nodes get ENIs from the sibling before its last address is gone, and no pod
# has waited for it.

load lib

setup() {
    work "$BATS_TEST_TMPDIR"
    cluster_start zones # its agents keep an ENI's worth of addresses warm
    pool_apply pods
    controller_start
}

teardown() {
    cluster_stop
}

of_instance() { our_enis | jq --arg i "$1" 'map(select(.instance == $i and .state == "attached" and .delete_on_termination))'; }
zone_a_is_ahead() {
    [ "$(of_instance i-0a000000000000001 | jq length)" -eq 1 ] && [ "$(of_instance i-0a000000000000002 | jq length)" -eq 1 ]
}

@test "ENIs come while the dying subnet still has addresses, bare, and to its nodes alone" {
    local free
    within 60 "the pool to be ready" pool_condition pods Ready True
    free=$(sim_state | jq '.subnets[] | select(.name == "nodes-a") | .free')
    [ "$free" -ge 40 ]
    # As fast as a large Deployment takes them, until it is noticed.
    until zone_a_is_ahead; do
        [ "$free" -gt 0 ] || break
        free=$((free - 1))
        sim_drain nodes-a $free
        sleep 1 # the pace at which others take addresses: part of the story
    done
    echo "# $free addresses of nodes-a were left" >&3
    [ "$free" -gt 0 ]
    [ "$(our_enis | jq '[.[] | select(.subnet == "subnet-0a00000000000001a")] | length')" -eq 2 ]
    [ "$(our_enis | jq '[.[].ips | length] | add')" -eq 0 ] # the agents fill them, and keep them
    [ "$(our_enis | jq length)" -eq 2 ] # node-b1's subnet is well
    event_about node-a1 ENIPreAttached
}
