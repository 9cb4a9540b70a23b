#!/usr/bin/env bats
# The controller against an EC2 that others wrote: moto's server. It knows neither exhaustion nor the limits of types, and checks no
# signature; what it does know is the wire. Nobody plays the node: its Node object, its agent's pod and pods without an address are told.

load lib

setup_file() {
    work "$BATS_FILE_TMPDIR"
    kube_clean
    local port
    port=$(free_port)
    MOTO=http://127.0.0.1:$port
    launch moto "$HEADROOM_VENV/bin/moto_server" -H 127.0.0.1 -p "$port"
    MOTO_PID=$LAUNCHED
    within 60 "moto to answer" curl -fsS -o /dev/null "$MOTO/moto-api/"
    moto make >"$WORK/world.json"
    moto drain "$(world .nodes)"
    node_make
    pods_create web moto-node 3
    CONTROLLER_EC2=$MOTO controller_start --log-level=debug
    pool_apply pods
    within 60 "the pool to know both subnets" jq_true '.status.subnets | length == 2' kubectl get snp pods -o json
    within 60 "the pool to say that the node's subnet is exhausted" subnet_state pods "$(world .nodes)" Exhausted
    within 60 "an ENI to be attached" eni_attached
    within 60 "its last step" log_says '"EC2 call answered".*ModifyNetworkInterfaceAttribute.*"http_status":200'
    moto show >"$WORK/enis.json"
    export WORK MOTO MOTO_PID METRICS
}

teardown_file() {
    controller_stop
    kill "$MOTO_PID" || true
    kube_clean
}

moto() { "$HEADROOM_VENV/bin/python" "$BATS_TEST_DIRNAME/moto_world.py" "$MOTO" "$@"; }
world() { jq -r "$1" "$WORK/world.json"; }
eni() { jq -r ".[0]$1" "$WORK/enis.json"; }
eni_attached() { jq_true 'length == 1 and .[0].status == "in-use"' moto show; }

# What kubelet and agent would have written.
node_make() {
    kubectl apply -f - <<YAML
apiVersion: v1
kind: Node
metadata:
  name: moto-node
  labels: {topology.kubernetes.io/zone: us-west-2a, node.kubernetes.io/instance-type: t3.medium, kubernetes.io/os: linux}
spec: {providerID: "aws:///us-west-2a/$(world .instance)"}
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: aws-node, namespace: kube-system, labels: {k8s-app: aws-node}}
spec:
  selector: {matchLabels: {k8s-app: aws-node}}
  template:
    metadata: {labels: {k8s-app: aws-node}}
    spec:
      hostNetwork: true
      containers:
      - name: aws-node
        image: example/amazon-k8s-cni:v1.23.2
        env: [{name: CLUSTER_NAME, value: moto}, {name: WARM_ENI_TARGET, value: "0"}]
---
apiVersion: v1
kind: Pod
metadata: {name: aws-node-moto, namespace: kube-system, labels: {k8s-app: aws-node}}
spec: {nodeName: moto-node, hostNetwork: true, containers: [{name: aws-node, image: "example/amazon-k8s-cni:v1.23.2"}]}
YAML
    local now
    now=$(date -u +%FT%TZ)
    kubectl patch node moto-node --subresource=status --type merge -p "{\"status\": {
        \"capacity\": {\"pods\": \"17\"}, \"allocatable\": {\"pods\": \"17\"},
        \"conditions\": [{\"type\": \"Ready\", \"status\": \"True\", \"reason\": \"KubeletReady\",
            \"lastHeartbeatTime\": \"$now\", \"lastTransitionTime\": \"$now\"}]}}"
    kubectl patch pod -n kube-system aws-node-moto --subresource=status --type merge -p "{\"status\": {\"phase\": \"Running\",
        \"conditions\": [{\"type\": \"Ready\", \"status\": \"True\", \"lastTransitionTime\": \"$now\"}]}}"
}

@test "it describes: the pool shows moto's subnets, with their addresses" {
    jq_true ".status.subnets | map({id, zone}) | sort == ([{id: \"$(world .nodes)\", zone: \"us-west-2a\"}, {id: \"$(world .pods)\", zone: \"us-west-2a\"}] | sort)" \
        kubectl get snp pods -o json
    pool_condition pods CloudAPIHealthy True
    log_says '"EC2 call answered".*DescribeNetworkInterfaces'
    log_says '"EC2 call answered".*DescribeRouteTables'
}

@test "it creates in the healthy sibling, with the primary ENI's groups" {
    [ "$(eni .subnet)" = "$(world .pods)" ]
    [ "$(eni '.groups | join(",")')" = "$(world '.groups | join(",")')" ]
    [ "$(eni .ips)" -ge 2 ]
}

# moto takes the change of DeleteOnTermination and forgets it: that EC2 keeps it is seen with ec2sim.
@test "it attaches to the node's instance, at the highest free device index" {
    [ "$(eni .instance)" = "$(world .instance)" ]
    [ "$(eni .device_index)" -eq 2 ]
}

@test "it tags" {
    [ "$(eni '.tags."headroom.dev/cluster"')" = moto ]
    [ "$(eni '.tags."node.k8s.amazonaws.com/instance_id"')" = "$(world .instance)" ]
    [ -n "$(eni '.tags."headroom.dev/intent"')" ]
}

@test "no call was refused" {
    not log_says '"EC2 call answered".*"http_status":[45]'
    pool_condition pods CloudAPIHealthy True
}
