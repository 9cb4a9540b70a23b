#!/usr/bin/env bats
# Every request that the EC2 side makes in its unit tests, held to botocore: AWS's own client library signs it the same way, finds
# nothing wrong with its parameters, and would send the same form.

load lib

@test "botocore signs every request as we do and would send the same" {
    local requests=$BATS_TEST_TMPDIR/requests.jsonl suite
    for suite in ec2 ec2_reads ec2_identity; do
        TEST_EC2_REQUESTS=$requests timeout 120 "${HEADROOM_BIN:-$ROOT/build}/tests/unit" "$suite" >/dev/null
    done
    run "$HEADROOM_VENV/bin/python" "$BATS_TEST_DIRNAME/botocore_check.py" "$requests"
    echo "$output"
    [ "$status" -eq 0 ]
    for action in DescribeSubnets DescribeNetworkInterfaces DescribeRouteTables DescribeSecurityGroups DescribeInstanceTypes \
        GetSubnetCidrReservations CreateNetworkInterface AttachNetworkInterface ModifyNetworkInterfaceAttribute \
        AssignPrivateIpAddresses DeleteNetworkInterface AssumeRole AssumeRoleWithWebIdentity; do
        [[ $output == *" $action"* ]] || fail "no request of $action was made"
    done
}
