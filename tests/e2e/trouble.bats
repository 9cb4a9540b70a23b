#!/usr/bin/env bats
# What goes wrong around the controller: it says so where a user would look, tries again, and never falls over.

load lib

setup() {
    work "$BATS_TEST_TMPDIR"
}

teardown() {
    cluster_stop
}

still_runs() { controller_runs || { logs_tail; fail "it has ended"; }; }

# A port where nobody listens.
nowhere() { echo "127.0.0.1:$(free_port)"; }

# A server whose answer to everything is what the python expression ANSWER writes to `out`; in $LIAR.
liar() {
    local port
    port=$(free_port)
    LIAR=http://127.0.0.1:$port
    launch liar python3 -c '
import http.server, sys
class Liar(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.0"
    def do_POST(self):
        out = self.wfile
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        try:
            exec(sys.argv[2])
        except OSError:
            pass
    do_GET = do_POST
    def log_message(self, *args): pass
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Liar).serve_forever()
' "$port" "$1"
    within 20 "the lying server to listen" eval "exec 9<>/dev/tcp/127.0.0.1/$port"
}

@test "no API server: it says which, and tries again" {
    SIM=http://$(nowhere)
    sed "s|https://127.0.0.1:[0-9]*|https://$(nowhere)|" "$TESTENV/controller.kubeconfig" >"$WORK/kubeconfig"
    CONTROLLER_KUBECONFIG=$WORK/kubeconfig controller_start
    within 30 "a log line about the API server" log_says 'connect.*127\.0\.0\.1|127\.0\.0\.1.*connect'
    within 30 "readyz to say what is awaited" eval 'curl -sS "$METRICS/readyz" | grep -i kubernetes'
    curl -fsS "$METRICS/healthz"
    still_runs
    controller_stop
    [ "$CONTROLLER_STATUS" -eq 0 ]
}

@test "no kubeconfig: it says what it looked for and ends" {
    SIM=http://$(nowhere)
    CONTROLLER_KUBECONFIG=$WORK/missing controller_command
    run timeout 20 "${COMMAND[@]}"
    [ "$status" -ne 0 ] && [ "$status" -ne 124 ]
    [[ $output == *"$WORK/missing"* ]] || fail "$output"
}

@test "EC2 is down: a condition on the pool, an event, and all is well when it is back" {
    cluster_start zones WARM_ENI_TARGET=0
    pool_apply pods
    CONTROLLER_EC2=http://$(nowhere) controller_start
    within 60 "the pool to say so" pool_condition pods CloudAPIHealthy False
    within 60 "an event" event_about pods CloudAPIUnavailable
    within 30 "a log line" log_says '"(warn|error)".*(connect|DescribeInstances|DescribeSubnets|ec2)'
    still_runs
}

@test "EC2 answers 500 for a while: afterwards the need is met, once" {
    cluster_exhausted
    pool_apply pods
    controller_start
    within 30 "the pool to say that nodes-a is exhausted" subnet_state pods subnet-0a00000000000000a Exhausted
    sim_fault error CreateNetworkInterface controller 3 '"status":500'
    pods_create web node-a1 8
    within 60 "an ENI to be attached" attached_by_us i-0a000000000000001 1
    [ "$(our_enis | jq length)" -eq 1 ]
}

@test "no credentials: it says what it tried" {
    cluster_start zones
    pool_apply pods
    CONTROLLER_KEYS= controller_start
    within 60 "a log line that names the places" log_says '"(warn|error)".*(credential|AWS_ACCESS_KEY_ID)'
    within 60 "the pool to say so" pool_condition pods CloudAPIHealthy False
    still_runs
}

@test "wrong credentials: a condition, an event with EC2's word, no storm of requests" {
    cluster_start zones
    pool_apply pods
    CONTROLLER_KEYS="AKIAWRONG wrong" controller_start
    within 60 "the pool to say so" pool_condition pods CloudAPIHealthy False Denied
    within 60 "an event" event_about pods CloudAPIDenied
    [ "$(requests | jq length)" -lt 60 ]
    still_runs
}

@test "a denied action: the event names the action to be allowed" {
    cluster_exhausted
    pool_apply pods
    controller_start
    within 30 "the pool to say that nodes-a is exhausted" subnet_state pods subnet-0a00000000000000a Exhausted
    sim_fault error CreateNetworkInterface controller '"all"' '"status":403,"code":"UnauthorizedOperation","message":"You are not authorized to perform this operation."'
    pods_create web node-a1 8
    within 60 "an event" event_about pods CloudAPIDenied
    within 60 "the pool to say so" pool_condition pods CloudAPIHealthy False
    kubectl describe snp pods | grep -q CreateNetworkInterface
    [ "$(mutations controller | jq length)" -lt 20 ]
    still_runs
    sim_faults_clear
    within 150 "an ENI to be attached after all" attached_by_us i-0a000000000000001 1
    [ "$(our_enis | jq length)" -eq 1 ]
}

@test "an endless answer from EC2 is cut off; memory stays bounded" {
    cluster_start zones
    pool_apply pods
    liar 'self.send_response(200); self.end_headers(); out.write(b"<DescribeInstancesResponse>")
while True: out.write(b"<item>" * 65536)'
    CONTROLLER_EC2=$LIAR controller_start
    within 60 "the pool to say so" pool_condition pods CloudAPIHealthy False
    still_runs
    [ "$(awk '/^VmRSS/ {print $2}' "/proc/$CONTROLLER_PID/status")" -lt 131072 ]
}

@test "nonsense from EC2 is refused by name" {
    cluster_start zones
    pool_apply pods
    liar 'self.send_response(200); self.end_headers(); out.write(b"{\"not\": [\"xml\"]}")'
    CONTROLLER_EC2=$LIAR controller_start
    within 60 "the pool to say so" pool_condition pods CloudAPIHealthy False
    still_runs
}

@test "an instance type that neither EC2 nor we know: an event on its node, and the others are served" {
    cluster_exhausted
    sim_fault error DescribeInstanceTypes controller '"all"' '"status":400,"code":"InvalidInstanceType","message":"The following supplied instance types do not exist: [x99.huge]"'
    sim_post run '{"subnet":"nodes-b","name":"node-x","id":"i-0a00000000000000f","type":"x99.huge"}'
    within 60 "the node to be there" kubectl get node node-x
    pool_apply pods
    controller_start
    within 60 "an event on the node" event_about node-x UnknownInstanceType
    pods_create web node-a1 8
    within 60 "an ENI for another node" attached_by_us i-0a000000000000001 1
    still_runs
}

@test "terms that match nothing: SubnetsReady is False, with the way out" {
    cluster_start zones
    kubectl apply -f - <<'YAML'
apiVersion: headroom.dev/v1alpha1
kind: SubnetPool
metadata: {name: pods}
spec: {subnetSelectorTerms: [{tags: {headroom.dev/pool: nobody}}]}
YAML
    controller_start
    within 60 "the pool to say so" pool_condition pods SubnetsReady False SubnetsNotFound
    within 60 "an event" event_about pods SubnetsNotFound
    pool_condition pods Ready False
    still_runs
}

@test "two pools claim a node: one serves it, and an event says which" {
    cluster_start zones
    pool_apply first
    pool_apply second
    controller_start
    within 60 "an event" event_reason PoolConflict
    within 60 "the first to serve all three nodes" jq_true '.status.nodes.total == 3' kubectl get snp first -o json
    within 60 "the second to serve none" jq_true '.status.nodes.total == 0' kubectl get snp second -o json
    kubectl patch snp second --type merge -p '{"spec":{"weight":1}}'
    within 30 "the second to serve them now" jq_true '.status.nodes.total == 3' kubectl get snp second -o json
    still_runs
}

@test "rights are missing in Kubernetes: a log line names verb and resource" {
    cluster_start zones
    kubectl delete clusterrolebinding headroom-controller
    controller_start
    within 60 "a log line" log_says '(forbidden|403).*nodes|nodes.*(forbidden|403)'
    still_runs
    (cd "$ROOT" && kubectl apply -f manifests/10-rbac.yaml)
    pool_apply pods
    within 120 "the pool to be ready, once they are there" pool_condition pods SubnetsReady True
}
