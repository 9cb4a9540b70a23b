# The real agent (amazon-vpc-cni-k8s v1.23.2) on a node that ec2sim has as an instance: in a network namespace of its own, with a link for
# each ENI, EC2 and its metadata service by ec2sim, and the real API server. `agentnode kubelet` asks it for the pods' addresses by gRPC.
#
#   agent_needs                     skips the test where a network namespace cannot be made
#   agent_world SCENARIO [K=V]      ec2sim with the scenario; K=V: settings of the agent, in the DaemonSet and in its environment
#   agent_start                     the agent on i-0a000000000000001, node node-1; restarts it as the kubelet does when it exits
#   agent_stop                      ends it and what was around it
#   pod_wait NAME                   seconds that a pod waited, once it has its address
#   says TEXT...                    a line of a measurement for the reader
#
# Everything dies with the shell that started it (lib.bash: launch).

AGENT_INSTANCE=i-0a000000000000001
AGENT_NODE=node-1

says() { printf '# measured: %s\n' "$*" >&3; }

agent_needs() {
    local what
    for what in unshare nsenter ip iptables; do
        command -v "$what" >/dev/null || skip "$what is not installed"
    done
    [ "$(id -u)" -eq 0 ] || skip "a network namespace needs root"
    unshare -n -m true 2>/dev/null || skip "this machine makes no network namespaces"
    AGENT_BIN=$("$ROOT/hack/testenv/build" agent 2>/dev/null) || fail "the agent could not be built: hack/testenv/build agent"
    export AGENT_BIN
}

agent_world() {
    local scenario=$WORK/scenario.yaml setting
    kube_clean
    cp "$BATS_TEST_DIRNAME/scenarios/$1.yaml" "$scenario"
    shift
    AGENT_ENV=(CLUSTER_NAME=e2e WARM_ENI_TARGET=1)
    for setting in "$@"; do
        sed -i "/^    ${setting%%=*}:/d; s/^  agent:\$/&\n    ${setting%%=*}: \"${setting#*=}\"/" "$scenario"
        AGENT_ENV+=("$setting")
    done
    SIM_PORT=$(free_port)
    SIM=http://127.0.0.1:$SIM_PORT
    launch ec2sim "$ROOT/build/ec2sim" --scenario "$scenario" --listen "127.0.0.1:$SIM_PORT" --kubeconfig "$KUBECONFIG"
    SIM_PID=$LAUNCHED
    within 60 "ec2sim to have registered the node" kubectl wait --for=condition=Ready --timeout=1s "node/$AGENT_NODE"
}

agent_start() {
    local api_port dir=$WORK/agent
    api_port=$(kubectl config view -o jsonpath='{.clusters[0].cluster.server}' | sed 's/.*://')
    mkdir -p "$dir/run"
    rm -f "$dir/ready" "$dir/ipam.json"
    # Holds the namespaces; /run in it is a folder of ours, so that the agent's socket does not meet the host's.
    launch agent-holder unshare -n -m bash -c \
        "mount --make-rprivate / && mount --bind '$dir/run' /run && touch '$dir/ready' && exec sleep infinity"
    AGENT_HOLDER=$LAUNCHED
    within 20 "the agent's namespaces" test -e "$dir/ready"
    launch agent-host "$AGENT_BIN/agentnode" host -pid "$AGENT_HOLDER" -imds "$SIM/imds/$AGENT_INSTANCE" \
        -forward "$api_port,$SIM_PORT"
    AGENT_HOST=$LAUNCHED
    within 20 "the primary ENI's link" nsenter -t "$AGENT_HOLDER" -n ip link show eth0
    launch agent bash -c "$(declare -f agent_supervise); agent_supervise \"\$@\"" agent "$AGENT_HOLDER" \
        env -i PATH="$PATH" HOME="$dir" KUBECONFIG="$KUBECONFIG" MY_NODE_NAME="$AGENT_NODE" ENABLE_IPv4=true \
        AWS_REGION=us-west-2 AWS_EC2_METADATA_SERVICE_ENDPOINT=http://127.0.0.1:8169 \
        AWS_EC2_ENDPOINT="$SIM" AWS_ENDPOINT_URL_EC2="$SIM" \
        AWS_ACCESS_KEY_ID=AKIAAGENTEXAMPLE AWS_SECRET_ACCESS_KEY=agent+secret/for/tests/EXAMPLEKEY \
        AWS_VPC_K8S_CNI_LOG_FILE=stdout AWS_VPC_K8S_CNI_LOGLEVEL=DEBUG \
        AWS_VPC_K8S_CNI_BACKING_STORE="$dir/ipam.json" "${AGENT_ENV[@]}" "$AGENT_BIN/aws-k8s-agent"
    AGENT_PID=$LAUNCHED
    AGENT_SOCKET=$dir/run/aws-node/ipamd.sock
    launch kubelet "$AGENT_BIN/agentnode" kubelet -socket "$AGENT_SOCKET" -node "$AGENT_NODE" -kubeconfig "$KUBECONFIG"
    AGENT_KUBELET=$LAUNCHED
}

# HOLDER COMMAND..: as the kubelet restarts a container: at once, then after 10 s, 20 s, ... 300 s.
agent_supervise() {
    local holder=$1 pause=1
    shift
    while :; do
        setpriv --pdeathsig KILL -- nsenter -t "$holder" -m -n "$@"
        echo "agent: exited with status $?, starts again in $pause s"
        sleep "$pause"
        if [ "$pause" -lt 10 ]; then pause=10; else pause=$((pause * 2 > 300 ? 300 : pause * 2)); fi
    done
}

agent_serves() { [ -S "$AGENT_SOCKET" ] && grep -q 'Serving RPC Handler' "$WORK/agent.log"; }

agent_stop() {
    local pid
    for pid in ${AGENT_KUBELET:-} ${AGENT_PID:-} ${AGENT_HOST:-} ${AGENT_HOLDER:-}; do
        # The supervisor's child is the agent, which dies with it; the agent takes SIGTERM for a wish.
        { kill -KILL "$pid" && wait "$pid"; } 2>/dev/null || true
    done
    AGENT_KUBELET= AGENT_PID= AGENT_HOST= AGENT_HOLDER=
}

agent_logs() {
    local file
    for file in agent kubelet agent-host controller ec2sim; do
        [ -s "$WORK/$file.log" ] || continue
        echo "--- the end of $file.log" >&2
        tail -n 15 "$WORK/$file.log" | cut -c1-400 >&2
    done
}

pod_create() { pods_create "$1" "$AGENT_NODE" 1; } # NAME: its name is NAME-1

pod_line() { jq -c "select(.pod == \"$1-1\" and $2)" "$WORK/kubelet.log" 2>/dev/null | head -n 1; }
pod_served() { [ -n "$(pod_line "$1" '.address != null')" ]; }
pod_wait() { pod_line "$1" '.address != null' | jq -r .waited_s; }
pod_address() { pod_line "$1" '.address != null' | jq -r .address; }

# The agent's own view of its pool, from its introspection endpoint.
agent_enis() { nsenter -t "$AGENT_HOLDER" -n curl -fsS --max-time 5 http://127.0.0.1:61679/v1/enis; }
agent_has_enis() { jq_true ".\"0\".ENIs // .ENIs | length == $1" agent_enis; }

# ---- stories ----

# story SCENARIO PODS [K=V..]: a node whose agent refuses some of PODS pods, and only then Headroom. Leaves the name of the last refused one in LAST.
story() {
    local scenario=$1 pods=$2 i
    shift 2
    agent_world "$scenario" "$@"
    agent_start
    within 60 "the agent to serve" agent_serves
    within 30 "the agent to be done with its start" agent_quiet
    for ((i = 1; i <= pods; i++)); do
        pod_create "p$i"
        sleep 0.3
    done
    within 60 "the agent to be asked for all $pods pods" pods_asked "$pods"
    within 60 "the agent to refuse one" any_refused
    LAST=$(jq -rn 'last(inputs | select(.refused)) | .pod' "$WORK/kubelet.log")
    LAST=${LAST%-1}
    pool_apply pods
    controller_start
}

# It has said what it has after its start.
agent_quiet() { grep -q 'IP pool manager - max pods' "$WORK/agent.log"; }

# served_by_sibling MAX_S: the refused pod has an address of the sibling subnet
served_by_sibling() {
    within "$1" "the refused pod to have its address" pod_served "$LAST"
    says "${BATS_TEST_DESCRIPTION%%:*}: $LAST waited $(pod_wait "$LAST") s and got $(pod_address "$LAST") after $(jq -s "map(select(.pod == \"$LAST-1\"))[-1].tries" "$WORK/kubelet.log") tries"
    [[ $(pod_address "$LAST") == 10.0.1.* ]] || fail "its address is $(pod_address "$LAST")"
    attached_by_us $AGENT_INSTANCE 1 || [ "$(our_enis | jq length)" -ge 1 ]
}

# kept SECONDS: the agent gives no ENI back in that time, and nobody else takes one away
kept() {
    local until=$((SECONDS + $1)) before
    before=$(our_enis | jq -c 'map(.id) | sort')
    while [ $SECONDS -lt $until ]; do
        sleep 2
        [ "$(our_enis | jq -c --argjson before "$before" '$before - map(.id)')" = "[]" ] || fail "an ENI of $before is gone"
    done
    [ "$(requests | jq '[.[] | select(.action | test("^(Detach|Delete)NetworkInterface$"))] | length')" -eq 0 ] ||
        fail "$(requests | jq -c '.[] | select(.action | test("^(Detach|Delete)NetworkInterface$"))')"
}

pods_served() { [ "$(jq -s 'map(select(.address != null)) | length' "$WORK/kubelet.log")" -ge "$1" ]; }
pods_asked() { [ "$(jq -n '[inputs.pod] | unique | length' "$WORK/kubelet.log")" -ge "$1" ]; }
any_refused() { [ -n "$(jq -c 'select(.refused)' "$WORK/kubelet.log")" ]; }
longest_wait() { jq -s 'map(select(.address != null) | .waited_s) | max' "$WORK/kubelet.log"; }
