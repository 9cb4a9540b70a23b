#!/usr/bin/env bats
# kubectl headroom: the plugin as kubectl finds and completes it, its answers for people and programs, and the way to the leader.

load lib

setup() {
    work "$BATS_TEST_TMPDIR"
    mkdir -p "$WORK/bin"
    ln -s "$ROOT/build/headroom" "$WORK/bin/headroom"
    ln -s headroom "$WORK/bin/kubectl-headroom"
    ln -s headroom "$WORK/bin/kubectl_complete-headroom"
    PATH=$WORK/bin:$PATH
}

teardown() { cluster_stop; }

yaml_is() { # CHECK: of the YAML on standard input, as `it`
    "$HEADROOM_VENV/bin/python3" -c "import sys, yaml; it = yaml.safe_load(sys.stdin); assert $1, it"
}

# The API server reaches the leader at a pod's address, and refuses loopback: the controller listens on this machine's own.
leader_start() {
    local port ip
    port=$(free_port)
    ip=$(hostname -I | cut -d' ' -f1)
    METRICS=http://$ip:$port
    printf '%s\n' 'apiVersion: v1' 'kind: Pod' 'metadata: {name: leader, namespace: headroom-system}' \
        "spec: {nodeName: node-a1, hostNetwork: true, containers: [{name: controller, image: example/x, ports: [{containerPort: $port}]}]}" |
        kubectl apply -f - >/dev/null
    kubectl -n headroom-system patch pod leader --subresource status --type merge \
        -p "{\"status\":{\"phase\":\"Running\",\"podIP\":\"$ip\",\"podIPs\":[{\"ip\":\"$ip\"}]}}" >/dev/null
    controller_command "--listen=$ip:$port"
    launch controller env -i POD_NAME=leader "${COMMAND[@]:2}"
    CONTROLLER_PID=$LAUNCHED
}

@test "kubectl finds the plugin, completes it, and its help has examples for each command" {
    local command
    kubectl plugin list 2>/dev/null | grep -q kubectl-headroom
    kubectl headroom version | grep .
    kubectl __complete headroom fo 2>/dev/null | grep -qx forecast
    kubectl __complete headroom simulate --col 2>/dev/null | grep -qx -- --column
    bash -c '. <(headroom completion bash); COMP_WORDS=(headroom explain --out); COMP_CWORD=2; _headroom; echo "${COMPREPLY[@]}"' | grep -qx -- --output
    for command in $(headroom __complete '' | grep -v :); do
        headroom help "$command" | grep -q "^  .*headroom $command"
        headroom "$command" --help | grep -q '^Exit codes: 0'
        headroom man | sed 's/\\//g' | grep -q "^.SS headroom $command"
    done
    for command in bash zsh fish; do headroom completion "$command" | grep -q __complete; done

    # Wrong usage is 2, and says what is right.
    headroom explan 2>"$WORK/said" || [ $? -eq 2 ]
    grep -q 'unknown command "explan"; headroom help' "$WORK/said"
    headroom explain 2>"$WORK/said" || [ $? -eq 2 ]
    grep -q 'explain needs its NODE|NAMESPACE/POD' "$WORK/said"
    headroom status -o xml 2>"$WORK/said" || [ $? -eq 2 ]
    grep -q 'text, json or yaml' "$WORK/said"
    KUBECONFIG=$WORK/none headroom status 2>"$WORK/said" || [ $? -eq 1 ]
    grep -q "no such file" "$WORK/said"
}

# zsh_completes TYPED WANTED: a real zsh on a terminal of its own, and the tabulator
zsh_completes() {
    local script='
        zmodload zsh/zpty
        zpty -b shell "zsh -f -i"
        zpty -w shell "fpath=($1 \$fpath); autoload -Uz compinit; compinit -u -D; bindkey ^I complete-word; echo rea''dy"
        zpty -r shell said "*ready*"
        zpty -n -w shell "$2"$'"'\\t'"'
        zpty -r shell said "*$3*"
        zpty -d shell'
    timeout 30 zsh -f -c "$script" zsh "$WORK/functions" "$1" "$2" || fail "zsh makes no \"$2\" of \"$1\""
}

@test "zsh and fish complete commands, flags, values and files" {
    command -v zsh fish >/dev/null || skip "zsh or fish is not installed"
    mkdir "$WORK/functions"
    headroom completion zsh >"$WORK/functions/_headroom"
    zsh_completes 'headroom fore' 'headroom forecast'
    zsh_completes 'headroom simulate --col' '--column'
    zsh_completes "headroom simulate $WORK/func" "$WORK/functions"
    fish_says() { (cd "$WORK" && fish --no-config -c "headroom completion fish | source; complete -C '$1'"); }
    [ "$(fish_says 'headroom fore')" = forecast ]
    [ "$(fish_says 'headroom simulate --col')" = --column ]
    [ "$(fish_says 'headroom simulate --column a')" = agent ]
    [[ $(fish_says 'headroom simulate fun') == functions/* ]]
}

@test "status, forecast, events and explain answer without AWS credentials, by way of the leader" {
    hostname -I | grep -q '[0-9]' || skip "this machine has no address but loopback"
    cluster_start zones
    pool_apply pods
    kubectl headroom status | grep -q 'no status yet; is headroom-controller running?'
    leader_start
    within 60 "the plan" controller_ready
    within 30 "the pool's status" pool_condition pods Ready True
    kubectl __complete headroom explain node-a 2>/dev/null | grep -qx node-a2

    within 20 "no node in need" nobody_in_need
    grep -Eq '^ *subnet-0a00000000000001a +us-west-2a +Healthy +251 +251' "$WORK/status"
    not grep -q $'\033' "$WORK/status"
    kubectl headroom status -o yaml | yaml_is 'it["items"][0]["status"]["nodes"]["total"] == 3'
    kubectl headroom forecast -o json | jq -e '.kind == "Forecast" and (.subnets | length == 4) and .subnets[0].pool == "pods"'
    kubectl headroom forecast | grep -q 'no end in sight *subnet-'

    kubectl headroom explain node-a2 >"$WORK/explained"
    grep -Eq '^node-a2: (Enough|AgentCanGrow)' "$WORK/explained"
    kubectl headroom explain node-a2 -o yaml | yaml_is 'it["node"] == "node-a2" and it["eniLimit"] == 3'
    pods_create web node-b1 1
    within 30 "the pod" pods_running web 1
    kubectl headroom explain default/web-1 | grep -q '^Pod default/web-1 is on node node-b1, with address 10.0.4.'

    # A terminal gets colours, and again and again if asked; NO_COLOR says no.
    TERM=xterm timeout 20 script -qec "headroom status --watch --interval 1s --timeout 5s" /dev/null >"$WORK/terminal" 2>&1 </dev/null &
    within 15 "two rounds in colour" rounds_shown
    kill $! 2>/dev/null || true
    TERM=xterm NO_COLOR=1 script -qec "headroom status" /dev/null </dev/null | tee "$WORK/plain" | grep -q Healthy
    not grep -q $'\033\\[32m' "$WORK/plain"

    # Without the leader it says what to do.
    controller_stop
    kubectl -n headroom-system delete pod leader --force --grace-period=0 >/dev/null 2>&1
    kubectl patch snp pods --subresource status --type merge \
        -p '{"status":{"nodesAtRisk":[{"name":"node-b1","decision":"Paused","message":"spec.paused is true"}]}}'
    kubectl headroom status >"$WORK/status"
    grep -q 'port-forward deploy/headroom-controller' "$WORK/status"
    grep -q '^node-b1 *Paused *spec.paused is true' "$WORK/status" # the pool's status names the neediest
    env -i "PATH=$PATH" "HOME=$WORK" "KUBECONFIG=$KUBECONFIG" AWS_EC2_METADATA_DISABLED=true kubectl headroom explain node-a2 --timeout 3s 2>"$WORK/said" || [ $? -eq 1 ]
    grep -q 'cannot be reached through the API server.*port-forward' "$WORK/said"
}

nobody_in_need() { kubectl headroom status >"$WORK/status" && cat "$WORK/status" && grep -q '^No node needs care now' "$WORK/status" &&
    grep -q '^SubnetPool pods: 3 of 3 nodes covered' "$WORK/status"; }
rounds_shown() { [ "$(grep -c $'\033\\[32mHealthy' "$WORK/terminal")" -ge 4 ] && [ "$(grep -c 'SubnetPool pods' "$WORK/terminal")" -ge 2 ]; }
