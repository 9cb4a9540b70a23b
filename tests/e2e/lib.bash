# What the e2e files share. Kubernetes' servers come from setup_suite.bash, once for all files that bats runs.
#
#   work FOLDER                   where logs go
#   cluster_start SCENARIO [K=V]  ec2sim plays EC2 and the nodes of tests/e2e/scenarios/SCENARIO.yaml; K=V: settings of its agent
#   controller_start [FLAG..]     build/headroom-controller with the service account's own rights
#   within SECONDS WHAT CMD..     waits until the command succeeds; else shows the logs' ends and fails
#   cluster_stop                  everything that was started, and what it left in Kubernetes, goes
#
# Each program that is started dies with the shell that started it, however that one ends.

fail() {
    printf '%s\n' "$*" >&2
    return 1
}

not() { ! "$@"; }

now_ns() { date +%s%N; }

work() {
    WORK=${1:?}
    mkdir -p "$WORK"
}

# launch NAME COMMAND..: its pid is in $LAUNCHED, its output in $WORK/NAME.log
launch() {
    local name=$1
    shift
    setpriv --pdeathsig KILL -- "$@" >>"$WORK/$name.log" 2>&1 </dev/null 3>&- &
    LAUNCHED=$!
}

# within SECONDS WHAT COMMAND..
within() {
    local limit=$1 what=$2 begun=$SECONDS shown=0 out
    shift 2
    until out=$("$@" 2>&1); do
        if [ $((SECONDS - begun)) -ge "$limit" ]; then
            printf 'not within %s s: %s\n  asked: %s\n  answer: %s\n' "$limit" "$what" "$*" "${out:0:2000}" >&2
            logs_tail
            return 1
        fi
        if [ $(((SECONDS - begun) / 15)) -gt $shown ]; then
            shown=$(((SECONDS - begun) / 15))
            printf '# waiting for %s, %s s\n' "$what" $((SECONDS - begun)) >&3
        fi
        sleep 0.2
    done
}

logs_tail() {
    local file
    for file in "$WORK"/controller*.log "$WORK"/ec2sim.log; do
        [ -s "$file" ] || continue
        echo "--- the end of ${file##*/}" >&2
        tail -n 25 "$file" | cut -c1-500 >&2
    done
    echo "--- pools" >&2
    kubectl get snp -o json 2>/dev/null | jq -c '.items[] | {name: .metadata.name, status}' | cut -c1-3000 >&2
    echo "--- decisions" >&2
    curl -fsS --max-time 5 "${METRICS:-http://127.0.0.1:1}/api/state" 2>/dev/null | jq -c '.nodes[]' | cut -c1-600 >&2
    echo "--- changes in EC2" >&2
    requests 2>/dev/null | jq -c '.[] | select(.action | startswith("Describe") | not) | [.time, .who, .action, .code]' | tail -n 15 >&2
}

free_port() { "$ROOT/hack/free-ports"; }

# jq_true FILTER COMMAND..: the command's JSON meets the filter
jq_true() {
    local filter=$1 out
    shift
    out=$("$@") || return 1
    jq -e "$filter" <<<"$out" >/dev/null || { echo "$out" | jq -c . | cut -c1-1500; return 1; }
}

# ---- EC2 and the nodes ----

cluster_start() {
    local scenario=$WORK/scenario.yaml setting cluster
    kube_clean
    cp "$BATS_TEST_DIRNAME/scenarios/$1.yaml" "$scenario"
    shift
    for setting in "$@"; do
        sed -i "/^    ${setting%%=*}:/d; s/^  agent:\$/&\n    ${setting%%=*}: \"${setting#*=}\"/" "$scenario"
    done
    SIM_PORT=$(free_port)
    SIM=http://127.0.0.1:$SIM_PORT
    launch ec2sim "$ROOT/build/ec2sim" --scenario "$scenario" --listen "127.0.0.1:$SIM_PORT" --kubeconfig "$KUBECONFIG"
    SIM_PID=$LAUNCHED
    within 60 "the nodes to be there and their agents to have addresses" nodes_ready
    # The controller may do what the policy that users apply allows, and nothing else.
    cluster=$(sed -n 's/^ *CLUSTER_NAME: *//p' "$scenario")
    sim_post policy "{\"who\":\"controller\",\"document\":$(sed "s/CLUSTER_NAME/$cluster/" "$ROOT/manifests/iam/policy.json")}"
}

# cluster_exhausted: the cluster of most stories: node-a1's and node-a2's subnet is empty, and their agents keep nothing warm, so that
# a need is not announced by anything but the pods.
cluster_exhausted() {
    cluster_start zones WARM_ENI_TARGET=0
    sim_drain nodes-a 0
}

nodes_ready() {
    jq_true '.ready and (.nodes | length > 0) and all(.nodes[]; .agent.running and .agent.addresses > 0)' sim_get nodes
}

cluster_stop() {
    controller_stop
    [ -z "${SIM_PID:-}" ] || { kill "$SIM_PID" && wait "$SIM_PID"; } 2>/dev/null || true
    SIM_PID=
    kube_clean
}

# Takes away what a test or ec2sim wrote, so that the next one begins with an empty cluster.
kube_clean() {
    local jobs=()
    kubectl delete snp,nodes --all & jobs+=($!)
    kubectl delete pods,daemonsets --all -A --force --grace-period=0 & jobs+=($!)
    kubectl delete events -n default --all & jobs+=($!)
    kubectl delete lease -n headroom-system --all & jobs+=($!)
    wait "${jobs[@]}" || true
} >/dev/null 2>&1 3>&-

sim_get() { curl -fsS --max-time 10 "$SIM/_sim/$1"; }
sim_post() {
    curl -sS --max-time 10 -X POST -H 'Content-Type: application/json' -d "$2" "$SIM/_sim/$1" |
        jq -e 'has("error") | not' >/dev/null || fail "ec2sim refuses $1 $2"
}

sim_drain() { sim_post drain "{\"subnet\":\"$1\",\"free\":$2}"; } # SUBNET FREE: others take all but FREE addresses
sim_state() { sim_get state; }
requests() { sim_get requests | jq '.requests'; }

# Changes that someone asked EC2 for.
mutations() {
    requests | jq --arg who "$1" 'map(select(.who == $who and (.action | test("^(Describe|Get|Assume)") | not)))'
}

# ENIs that Headroom made.
our_enis() { sim_state | jq '.enis | map(select(.tags | has("headroom.dev/intent")))'; }

# attached_by_us INSTANCE COUNT
attached_by_us() {
    jq_true "map(select(.instance == \"$1\" and .state == \"attached\" and .delete_on_termination)) | length == $2" our_enis
}

# sim_fault KIND ACTION WHO: meets the next such request; "all" instead of once with a 4th argument
sim_fault() { sim_post fault "{\"kind\":\"$1\",\"action\":\"$2\",\"who\":\"$3\",\"count\":${4:-1}${5:+,$5}}"; }
sim_faults_clear() { sim_post clear '{}'; }
fault_met() { jq_true ".faults | any(.action == \"$1\" and .hits > 0)" sim_get stats; }

# ---- the controller ----

# The program as it finds itself in a pod: a service account's kubeconfig, and AWS's environment. In $COMMAND.
# CONTROLLER_KUBECONFIG, CONTROLLER_EC2 and CONTROLLER_KEYS="id secret" (or none) replace the right ones.
controller_command() {
    local keys=${CONTROLLER_KEYS-AKIACONTROLLEREXAMPLE controller+secret/for/tests/EXAMPLEKEY}
    COMMAND=(env -i "PATH=$PATH" "HOME=$WORK" "KUBECONFIG=${CONTROLLER_KUBECONFIG:-$TESTENV/controller.kubeconfig}"
        AWS_REGION=us-west-2 "AWS_ENDPOINT_URL=${CONTROLLER_EC2:-$SIM}" AWS_EC2_METADATA_DISABLED=true)
    [ -z "$keys" ] || COMMAND+=("AWS_ACCESS_KEY_ID=${keys% *}" "AWS_SECRET_ACCESS_KEY=${keys#* }")
    COMMAND+=("$ROOT/build/headroom-controller" "$@")
}

# controller_start [FLAG..]: METRICS is where it answers. A second one does not stop the first.
controller_start() {
    local port
    port=$(free_port)
    METRICS=http://127.0.0.1:$port
    controller_command "--listen=127.0.0.1:$port" "$@"
    launch controller "${COMMAND[@]}"
    CONTROLLER_PID=$LAUNCHED
}

# Its exit status is in CONTROLLER_STATUS.
controller_stop() {
    CONTROLLER_STATUS=0
    [ -n "${CONTROLLER_PID:-}" ] || return 0
    kill -TERM "$CONTROLLER_PID" 2>/dev/null || true
    controller_wait
}

# For its end, which somebody asked for already. Its exit status is in CONTROLLER_STATUS.
controller_wait() {
    CONTROLLER_STATUS=0
    within 30 "the controller to end" controller_ended || kill -KILL "$CONTROLLER_PID"
    wait "$CONTROLLER_PID" 2>/dev/null || CONTROLLER_STATUS=$?
    CONTROLLER_PID=
}

controller_ended() { ! kill -0 "$CONTROLLER_PID" 2>/dev/null || grep -q '^State:\sZ' "/proc/$CONTROLLER_PID/status"; }
controller_runs() { ! controller_ended; }

controller_kill() {
    kill -KILL "$CONTROLLER_PID"
    wait "$CONTROLLER_PID" 2>/dev/null || true
    CONTROLLER_PID=
}

metric() { curl -fsS --max-time 5 "$METRICS/metrics" | awk -v name="$1" '$1 == name {print $2}'; }
metric_is() { [ "$(metric "$1")" = "$2" ]; }
controller_ready() { curl -sS --fail-with-body --max-time 5 "$METRICS/readyz"; }
log_says() { grep -Ei -- "$1" "$WORK/controller.log"; }

# ---- Kubernetes ----

# pool_apply NAME [SPEC..]: a pool of the subnets tagged headroom.dev/pool=pods; further lines of its spec
pool_apply() {
    local name=$1
    shift
    {
        printf 'apiVersion: headroom.dev/v1alpha1\nkind: SubnetPool\nmetadata: {name: %s}\nspec:\n' "$name"
        printf '  subnetSelectorTerms: [{tags: {headroom.dev/pool: pods}}]\n'
        [ $# -eq 0 ] || printf '  %s\n' "$@"
    } | kubectl apply -f -
}

# pods_create APP NODE COUNT
pods_create() {
    local i
    for ((i = 1; i <= $3; i++)); do
        printf -- '---\napiVersion: v1\nkind: Pod\nmetadata: {name: %s-%s, labels: {app: %s}}\n' "$1" "$i" "$1"
        printf 'spec: {nodeName: %s, terminationGracePeriodSeconds: 0, containers: [{name: app, image: example/app}]}\n' "$2"
    done | kubectl create -f - >/dev/null
}

# pods_running APP COUNT: with an address each
pods_running() {
    jq_true "[.items[] | select(.status.phase == \"Running\" and (.status.podIP // \"\") != \"\")] | length == $2" \
        kubectl get pods -l "app=$1" -o json
}

# An agent has said no to a pod of APP, as users see it.
refused_pods() {
    jq_true "[.items[] | select(.involvedObject.name // \"\" | startswith(\"$1-\")) | select(.message | test(\"failed to assign an IP address\"))] | length > 0" \
        kubectl get events -n default -o json
}

pool_condition() { # POOL TYPE STATUS [REASON]
    jq_true ".status.conditions // [] | any(.type == \"$2\" and .status == \"$3\" and (\"${4:-}\" == \"\" or .reason == \"${4:-}\"))" \
        kubectl get snp "$1" -o json
}

subnet_state() { # POOL SUBNET STATE
    jq_true ".status.subnets // [] | any(.id == \"$2\" and .state == \"$3\")" kubectl get snp "$1" -o json
}

node_condition() { # NODE TYPE STATUS
    jq_true ".status.conditions | any(.type == \"$2\" and .status == \"$3\")" kubectl get node "$1" -o json
}

node_tainted() { jq_true '.spec.taints // [] | any(.key == "headroom.dev/no-ip-capacity" and .effect == "NoSchedule")' kubectl get node "$1" -o json; }
node_untainted() { jq_true '.spec.taints // [] | any(.key == "headroom.dev/no-ip-capacity") | not' kubectl get node "$1" -o json; }

event_about() { # OBJECT REASON
    jq_true ".items | any(.involvedObject.name == \"$1\" and .reason == \"$2\")" kubectl get events -n default -o json
}
event_reason() { jq_true ".items | any(.reason == \"$1\")" kubectl get events -n default -o json; }
