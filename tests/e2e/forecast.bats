#!/usr/bin/env bats
# headroom forecast: when each subnet runs out, and advice that is right for the trouble at hand. The statuses are written as a controller
# would write them; nobody plays nodes or EC2 here.

load lib

setup() { work "$BATS_TEST_TMPDIR"; }

teardown() { kube_clean; }

# forecast STATUS [SPEC..]: of one pool with this status; text in $WORK/said, JSON in $WORK/said.json
forecast() {
    local status=$1
    shift
    pool_apply pods "$@" >/dev/null
    kubectl patch snp pods --subresource status --type merge -p "{\"status\":$status}" >/dev/null
    "$ROOT/build/headroom" forecast | tee "$WORK/said"
    "$ROOT/build/headroom" forecast -o json >"$WORK/said.json"
    not grep -qE '^.{91}' "$WORK/said" # lines that a terminal does not break
}

subnet() { # ID ZONE STATE FREE TOTAL [EXHAUSTED_IN]
    printf '{"id":"subnet-%s","zone":"%s","cidr":"10.0.0.0/24","state":"%s","free":%s,"total":%s,"freePrefixes":0,"inFlight":0%s}' \
        "$1" "$2" "$3" "$4" "$5" "${6:+,\"exhaustedIn\":\"$6\"}"
}

zones() { # ZONE NODES..
    local rows=()
    while [ $# -gt 0 ]; do
        rows+=("{\"zone\":\"$1\",\"subnets\":1,\"total\":1,\"free\":1,\"nodes\":$2}")
        shift 2
    done
    (IFS=,; echo "[${rows[*]}]")
}

advice() { jq -r '.advice[] | [.zone, .reason, .act, .withinSeconds] | map(tostring) | join(" ")' "$WORK/said.json"; }
# As on the screen, without its line breaks.
says() { tr -s ' \n' ' ' <"$WORK/said" | grep -qF -- "$1" || fail "it does not say: $1"; }

@test "a subnet that ends beside a roomy one needs nothing; one without a sibling needs a subnet, of a size that lasts" {
    forecast "{\"subnets\":[$(subnet a1 us-west-2a Low 20 251 10m),$(subnet a2 us-west-2a Healthy 16000 16379),
        $(subnet b1 us-west-2b Low 300 1019 5m)],\"zones\":$(zones us-west-2a 5 us-west-2b 9 us-west-2c 2)}" 'reservedIPs: 0'
    [ "$(advice)" = "us-west-2c AddSubnet true 0
us-west-2b AddSubnet true 300
us-west-2a NothingToDo false 480600" ]
    says 'subnet-a1 runs out in 10m; Headroom serves its nodes from subnet-a2 (16000 free). Nothing to do.'
    # 1 a second: 86,400 in a day, more than any subnet has.
    says "subnet-b1 runs out in 5m, the pool's only subnet there, and what the pool has there lasts 5m at the present rate. Add a subnet of us-west-2b"
    says 'and tag it headroom.dev/pool=pods; at the present rate a /16 lasts 18h12m.'
    says '2 nodes are there, and the pool has no subnet there'
    head -n 2 "$WORK/said" | tail -n 1 | grep -Eq '^5m +subnet-b1 +us-west-2b +Low +300 +1019 +pods$'
}

@test "a sibling that would not last, or of which nothing is to be had, is not called help" {
    # The sibling gets the other one's ten a minute when that is gone: 20 minutes in all.
    forecast "{\"subnets\":[$(subnet a1 us-west-2a Low 100 251 10m),$(subnet a2 us-west-2a Healthy 100 251)],
        \"zones\":$(zones us-west-2a 5)}" 'reservedIPs: 0'
    [ "$(advice)" = "us-west-2a AddSubnet true 1200" ]
    says 'lasts 20m at the present rate'

    forecast "{\"subnets\":[$(subnet a1 us-west-2a Exhausted 0 251 0s),$(subnet a2 us-west-2a Exhausted 6 251)],
        \"zones\":$(zones us-west-2a 5)}" 'reservedIPs: 8'
    [ "$(advice)" = "us-west-2a LowerReservedIPs true 0
us-west-2a AddSubnet true 0" ]
    says 'The 6 free addresses of subnet-a2 are kept by spec.reservedIPs (8)'
    grep -Eq '^now +subnet-a2 ' "$WORK/said" # Headroom can take nothing of it

    forecast "{\"subnets\":[$(subnet a1 us-west-2a Exhausted 59 59)],\"zones\":$(zones us-west-2a 5)}" 'reservedIPs: 64'
    says 'spec.reservedIPs keeps 64 addresses free in each subnet, and subnet-a1 has 59 in all: Headroom never takes one of it.'
}

@test "fragmented, unavailable, paused, and what nodes hit: each has a remedy of its own" {
    forecast "{\"subnets\":[$(subnet a1 us-west-2a Fragmented 100 251),$(subnet b1 us-west-2b Unavailable 90 251),
        $(subnet b2 us-west-2b Healthy 200 251)],\"zones\":$(zones us-west-2a 5 us-west-2b 5),\"nodesAtRisk\":[
        {\"name\":\"n1\",\"decision\":\"AtENILimit\",\"message\":\"all 3 usable ENI slots are in use; use a larger instance type\"},
        {\"name\":\"n2\",\"decision\":\"AtENILimit\",\"message\":\"all 4\"},{\"name\":\"n3\",\"decision\":\"Adopting\",\"message\":\"soon\"},
        {\"name\":\"n4\",\"decision\":\"PoolLimit\",\"message\":\"a limit of the pool is reached; raise spec.limits\"}]}" 'reservedIPs: 8' 'paused: true'
    [ "$(advice | sort)" = " AtENILimit true 0
 PoolLimit true 0
 Unpause true 0
us-west-2a AddSubnet true 0
us-west-2a ReservePrefixes true 0
us-west-2b SubnetUnavailable true 0" ]
    says 'subnet-a1 has 100 free addresses but no whole /28'
    says 'aws ec2 create-subnet-cidr-reservation --subnet-id subnet-a1 --reservation-type prefix'
    says 'n1 (and 1 more): all 3 usable ENI slots are in use; use a larger instance type'
    # The command that it gives does it.
    sh -c "$(jq -r '.advice[] | select(.reason == "Unpause") | .message' "$WORK/said.json" | sed 's/.*: kubectl/kubectl/')"
    [ "$(kubectl get snp pods -o jsonpath='{.spec.paused}')" = false ]

    forecast "{\"subnets\":[$(subnet a1 us-west-2a Healthy 200 251)],\"zones\":$(zones us-west-2a 5),\"nodesAtRisk\":null}" 'reservedIPs: 8'
    [ "$(advice)" = "" ]
    not grep -q 'What would help' "$WORK/said"
}
