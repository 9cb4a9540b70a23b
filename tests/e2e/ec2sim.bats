#!/usr/bin/env bats
# ec2sim as boto3 sees it: every action that the controller calls, in EC2's own shape, with EC2's own refusals.

load lib

setup_file() {
    work "$BATS_FILE_TMPDIR"
    sim_start "$ROOT/hack/ec2sim/scenarios/small.yaml" >"$WORK/pid"
    EC2SIM=http://127.0.0.1:$(cat "$WORK/port")
    export EC2SIM WORK
}

teardown_file() {
    kill "$(cat "$WORK/pid")" || true
}

# Prints the pid; the port is in $WORK/port.
sim_start() {
    launch ec2sim "$ROOT/build/ec2sim" --scenario "$1" --port-file "$WORK/port" --log "$WORK/requests.log"
    within 10 "ec2sim to answer" test -s "$WORK/port"
    echo "$LAUNCHED"
}

boto3() {
    curl -fsS -X POST -d '{}' "$EC2SIM/_sim/clear" >/dev/null
    timeout 120 "$HEADROOM_VENV/bin/python" "$BATS_TEST_DIRNAME/ec2sim_boto3.py" "$1"
}

@test "all describes parse, and say what the scenario says" { boto3 describes; }
@test "an ENI is created, attached, made to go with its instance, tagged, found, detached, deleted" { boto3 attach; }
@test "a client token makes one ENI" { boto3 tokens; }
@test "exhaustion and quotas have their own codes" { boto3 exhaustion; }
@test "addresses and prefixes are assigned, moved, unassigned" { boto3 addresses; }
@test "pages hold every ENI once" { boto3 pages; }
@test "a throttled client is told so, and served later" { boto3 throttle; }
@test "a wrong signature, key, token or clock is refused" { boto3 signatures; }
@test "roles from the metadata service, AssumeRole and a web identity are known" { boto3 identities; }
@test "lost replies, lost requests, cut bodies, errors and latency come on demand" { boto3 faults; }
@test "an answer can be held and released" { boto3 hold; }
@test "describes lag behind" { boto3 lag; }
@test "instances run and end" { boto3 instances; }
@test "the metadata service knows an instance's interfaces" { boto3 metadata; }
@test "the controller's IAM policy is enough, and no statement too much" { boto3 policy; }
@test "the answers have the shape of moto's" { boto3 shapes; }

@test "a wrong scenario is refused with its line and field" {
    printf 'subnets:\n- {id: subnet-a, cidr: 10.0.0.0/24, colour: red}\n' >"$BATS_TEST_TMPDIR/wrong.yaml"
    run "$ROOT/build/ec2sim" --scenario "$BATS_TEST_TMPDIR/wrong.yaml"
    [ "$status" -eq 1 ]
    [[ $output == *'line 2: a subnet has no field "colour"'* ]]
}

@test "a thousand instances are no burden" {
    WORK=$BATS_TEST_TMPDIR
    cat >"$WORK/large.yaml" <<'YAML'
vpc: {id: vpc-large, cidrs: [10.0.0.0/8]}
subnets:
  - {id: subnet-large, cidr: 10.0.0.0/16}
  - {id: subnet-nodes, cidr: 10.1.0.0/16}
instances:
  - {id: i-node, name: node, subnet: subnet-nodes, count: 1000}
YAML
    sim_start "$WORK/large.yaml" >"$WORK/pid"
    EC2SIM=http://127.0.0.1:$(cat "$WORK/port") boto3 load
    kill "$(cat "$WORK/pid")"
}
