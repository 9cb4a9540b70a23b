#!/usr/bin/env bats
# STS, the Pod Identity agent and the metadata service when they refuse, are slow, want a rotated token, and when what they gave ends in
# mid-flight. Three controllers, one for each source, live through all of it at the same time; the tests follow each other.

load lib

SOURCES="sts pod imds"

setup_file() {
    work "$BATS_FILE_TMPDIR"
    cluster_start zones
    pool_apply pods
    local port
    port=$(free_port)
    STAND_IN=http://127.0.0.1:$port
    echo refuse >"$WORK/mode"
    echo first-token | tee "$WORK/sts-token" "$WORK/sts-file" "$WORK/pod-token" >"$WORK/pod-file"
    launch stand_in python3 "$BATS_TEST_DIRNAME/identity_stand_in.py" "$port" "$SIM" "$WORK"
    STAND_IN_PID=$LAUNCHED
    within 20 "the stand-in to listen" eval "exec 9<>/dev/tcp/127.0.0.1/$port"
    start sts "AWS_ENDPOINT_URL_STS=$STAND_IN" "AWS_WEB_IDENTITY_TOKEN_FILE=$WORK/sts-file" \
        AWS_ROLE_ARN=arn:aws:iam::111122223333:role/controller
    start pod "AWS_CONTAINER_CREDENTIALS_FULL_URI=$STAND_IN/v1/credentials" "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=$WORK/pod-file"
    start imds AWS_EC2_METADATA_DISABLED=false "AWS_EC2_METADATA_SERVICE_ENDPOINT=$STAND_IN/imds/i-0a000000000000001"
    export WORK SIM SIM_PID STAND_IN_PID PIDS
}

teardown_file() {
    # shellcheck disable=SC2086
    kill $PIDS "$STAND_IN_PID" || true
    cluster_stop
}

# start NAME VARIABLE=VALUE..
start() {
    local name=$1 port program
    shift
    port=$(free_port)
    CONTROLLER_KEYS='' controller_command "--listen=127.0.0.1:$port" --log-level=debug
    program=$((${#COMMAND[@]} - 1))
    while [[ ${COMMAND[$program]} != */headroom-controller ]]; do program=$((program - 1)); done
    launch "$name" "${COMMAND[@]:0:$program}" "$@" "${COMMAND[@]:$program}"
    PIDS="${PIDS:-} $LAUNCHED"
}

says() { grep -Ei -- "$2" "$WORK/$1.log"; }
seen() { [ "$(grep -c "^$1 $2" "$WORK/seen")" -ge "${3:-1}" ]; } # SOURCE STATUS [TIMES]
sets() { [ "$(says "$1" 'AWS credentials found' | wc -l)" -ge "$2" ]; }
ec2_answers() { [ "$(says "$1" 'EC2 call answered.*"http_status":200' | wc -l)" -gt "$2" ]; }

@test "refused: each says what was tried and how it was refused, and asks again" {
    local source
    for source in $SOURCES; do
        within 30 "$source to say so" says "$source" 'no AWS credentials.*(403|500|AccessDenied)'
        within 30 "$source to ask again" seen "$source" '[45]' 2
    done
}

@test "slow: each waits for the answer, and has credentials then" {
    local source
    echo slow >"$WORK/mode"
    for source in $SOURCES; do
        within 60 "credentials from $source" sets "$source" 1
        within 30 "EC2 to take them" ec2_answers "$source" 0
    done
}

@test "rotated tokens, and an end in mid-flight: each reads its token anew and goes on with new credentials" {
    local source before
    declare -A before
    echo good >"$WORK/mode"
    echo second-token | tee "$WORK/sts-token" "$WORK/sts-file" "$WORK/pod-token" >"$WORK/pod-file"
    for source in $SOURCES; do
        before[$source]=$(says "$source" 'EC2 call answered.*"http_status":200' | wc -l)
    done
    sim_post expire-sessions '{}'
    for source in $SOURCES; do
        within 60 "new credentials from $source" sets "$source" 2
        within 30 "EC2 to take them" ec2_answers "$source" "${before[$source]}"
    done
}

@test "no secret is in a log" {
    not grep -E 'first-token|second-token|SecretAccessKey|SessionToken' "$WORK"/sts.log "$WORK"/pod.log "$WORK"/imds.log
}
