#!/usr/bin/env bats
# The live page in a real Chromium. What each test asks is in page.py.

load lib

setup_file() {
    command -v chromium >/dev/null || return 0
    work "$BATS_FILE_TMPDIR"
    cluster_start zones
    pool_apply pods
    controller_start
    CHROMIUM=$(free_port)
    launch chromium "$HEADROOM_VENV/bin/python3" "$BATS_TEST_DIRNAME/page.py" chromium "$CHROMIUM" "$METRICS/" "$WORK/profile"
    CHROMIUM_PID=$LAUNCHED
    within 30 "all subnets to be known" jq_true '.pools | length == 1 and (.[0].subnets | length == 4 and all(.observedAt))' curl -fsS "$METRICS/api/state"
    within 30 "Chromium to answer" curl -fsS "http://127.0.0.1:$CHROMIUM/json/version"
    export WORK SIM SIM_PID METRICS CHROMIUM CHROMIUM_PID
}

teardown_file() {
    [ -z "${CHROMIUM_PID:-}" ] || { kill "$CHROMIUM_PID" && wait "$CHROMIUM_PID"; } 2>/dev/null || true
    cluster_stop
}

setup() {
    command -v chromium >/dev/null || skip "chromium is not installed"
}

look() { "$HEADROOM_VENV/bin/python3" "$BATS_TEST_DIRNAME/page.py" "$1" "$CHROMIUM" "$METRICS/" "${@:2}"; }

@test "it shows every subnet as EC2 has it, and asks nobody else for anything" {
    look shows "$SIM"
}

@test "axe-core finds nothing amiss, in light and dark, wide and narrow" {
    look accessible
}

@test "keys are enough, and show where they are" {
    look keyboard
}

@test "the report of a simulation has nothing amiss either" {
    "$ROOT/build/headroom" simulate "$ROOT/tests/sim/scenarios/4-untagged.yaml" --html "$WORK/report.html" >/dev/null
    look report "$WORK/report.html"
}

@test "a page of another origin learns nothing" {
    look foreign
}

@test "a subnet that others drain turns from healthy to exhausted within two seconds of its last address, without reload" {
    look exhausts "$SIM" subnet-0a00000000000001b subnet-0a00000000000001a >"$WORK/exhausts"
    echo "# measured: $(tail -n 1 "$WORK/exhausts")" >&3
}

@test "the 129th page is turned away politely, asks instead, and comes in when another goes" {
    look crowd
}
