#!/usr/bin/env bats
# The controller with every identity that a pod or a person may give it, against STS, instance metadata and EC2 as ec2sim plays them.

load lib

setup_file() {
    work "$BATS_FILE_TMPDIR"
    cluster_start zones
    pool_apply pods
    export WORK SIM SIM_PID
}

teardown_file() {
    cluster_stop
}

setup() {
    work "$BATS_TEST_TMPDIR"
}

teardown() {
    controller_stop
}

# identity_start VARIABLE=VALUE..: the controller with no keys but these; what comes later counts.
identity_start() {
    local port program
    port=$(free_port)
    METRICS=http://127.0.0.1:$port
    CONTROLLER_KEYS='' controller_command "--listen=127.0.0.1:$port" --log-level=debug
    for program in "${!COMMAND[@]}"; do
        [[ ${COMMAND[$program]} != */headroom-controller ]] || break
    done
    COMMAND=("${COMMAND[@]:0:$program}" "$@" "${COMMAND[@]:$program}")
    launch controller "${COMMAND[@]}"
    CONTROLLER_PID=$LAUNCHED
}

# found SOURCE: credentials came from there and EC2 takes them
found() {
    within 20 "credentials from $1" log_says "AWS credentials found.*\"source\":\"$1\""
    within 20 "the controller to be ready" controller_ready
    no_secrets
}

no_secrets() {
    ! grep -E 'secret/for/tests|EXAMPLEKEY|eyJ-token|SessionToken' "$WORK/controller.log" || fail "a secret is in the log"
}

@test "keys of a shared credentials file, by the profile's name" {
    printf '[other]\naws_access_key_id = AKIAWRONG\naws_secret_access_key = wrong\n[team]\naws_access_key_id = %s\naws_secret_access_key = %s\n' \
        AKIACONTROLLEREXAMPLE controller+secret/for/tests/EXAMPLEKEY >"$WORK/credentials"
    identity_start AWS_PROFILE=team "AWS_SHARED_CREDENTIALS_FILE=$WORK/credentials"
    found profile
}

@test "a role that a profile assumes with another profile's keys" {
    printf '[base]\naws_access_key_id = %s\naws_secret_access_key = %s\n' \
        AKIACONTROLLEREXAMPLE controller+secret/for/tests/EXAMPLEKEY >"$WORK/credentials"
    printf '[profile outer]\nrole_arn = arn:aws:iam::111122223333:role/outer\nsource_profile = base\n' >"$WORK/config"
    identity_start AWS_PROFILE=outer "AWS_SHARED_CREDENTIALS_FILE=$WORK/credentials" "AWS_CONFIG_FILE=$WORK/config"
    found "assumed role"
}

@test "a credential_process" {
    printf '#!/bin/sh\necho "{\\"Version\\":1,\\"AccessKeyId\\":\\"%s\\",\\"SecretAccessKey\\":\\"%s\\"}"\n' \
        AKIACONTROLLEREXAMPLE controller+secret/for/tests/EXAMPLEKEY >"$WORK/get keys"
    chmod +x "$WORK/get keys"
    printf '[default]\ncredential_process = "%s" --now\n' "$WORK/get keys" >"$WORK/config"
    identity_start "AWS_CONFIG_FILE=$WORK/config"
    found credential_process
}

@test "a service account's token, renewed after its sessions have ended in mid-flight" {
    echo eyJ-token >"$WORK/token"
    identity_start "AWS_WEB_IDENTITY_TOKEN_FILE=$WORK/token" AWS_ROLE_ARN=arn:aws:iam::111122223333:role/controller
    found "web identity"
    sim_post expire-sessions '{}'
    within 60 "new credentials" two_sets
    within 20 "EC2 to take them" reads_go_on
    no_secrets
}

two_sets() { [ "$(log_says 'AWS credentials found' | wc -l)" -ge 2 ]; }
reads_go_on() {
    local begun
    begun=$(log_says 'EC2 call answered.*DescribeSubnets.*"rows"' | wc -l)
    sleep 1
    [ "$(log_says 'EC2 call answered.*"rows"' | wc -l)" -gt "$begun" ]
}

@test "the role of the instance, and its Region" {
    identity_start AWS_EC2_METADATA_DISABLED=false AWS_REGION= \
        "AWS_EC2_METADATA_SERVICE_ENDPOINT=$SIM/imds/i-0a000000000000001"
    found "instance metadata"
    log_says '"region":"us-west-2"'
}

@test "EKS Pod Identity's agent, with the token of its file" {
    local port
    port=$(free_port)
    echo pod-token >"$WORK/token"
    cat >"$WORK/agent.py" <<'PY'
import http.server, json, sys, time

class Agent(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.headers.get("Authorization") != "pod-token":
            self.send_error(401)
            return
        body = json.dumps({
            "AccessKeyId": "AKIACONTROLLEREXAMPLE", "SecretAccessKey": "controller+secret/for/tests/EXAMPLEKEY",
            "Expiration": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3600))}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Agent).serve_forever()
PY
    launch stand_in python3 "$WORK/agent.py" "$port"
    local agent=$LAUNCHED
    identity_start "AWS_CONTAINER_CREDENTIALS_FULL_URI=http://127.0.0.1:$port/v1/credentials" \
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=$WORK/token"
    found container
    kill "$agent"
}

@test "without any: the log, the pool and the events say what was tried" {
    identity_start
    within 20 "the log to say it" log_says 'no AWS credentials; tried environment:.*web identity:.*container:.*instance metadata:'
    within 30 "the pool to say it" pool_condition pods CloudAPIHealthy False
}
