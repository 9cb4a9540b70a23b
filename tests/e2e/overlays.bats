#!/usr/bin/env bats
# Each way to install is taken by a real API server, and differs from the base by what it promises.

load lib

setup() {
    work "$BATS_TEST_TMPDIR"
    cd "$ROOT" || return
}

# overlay NAME: it builds, the API server would take every object of it, and it is in $WORK/NAME.json
overlay() {
    local folder=manifests/overlays/$1
    kubectl apply --dry-run=server -k "$folder" -o json >"$WORK/$1.json"
    # Nothing is lost on the way: as many objects as the base has.
    [ "$(jq '.items | length' "$WORK/$1.json")" -eq "$(kubectl kustomize manifests | grep -c '^kind: ')" ]
}

# deployment NAME FILTER: the overlay's Deployment meets it
deployment() {
    jq -e ".items[] | select(.kind == \"Deployment\") | .spec | $2" "$WORK/$1.json" >/dev/null ||
        fail "$1: not $2: $(jq -c '.items[] | select(.kind == "Deployment") | .spec' "$WORK/$1.json")"
}

controller='.template.spec.containers[] | select(.name == "controller")'

@test "every folder of manifests/overlays is tried here" {
    [ "$(cd manifests/overlays && echo *)" = "dry-run eks-pod-identity high-availability irsa" ]
}

@test "-f manifests/ and -k manifests/ install the same" {
    diff <(kubectl create --dry-run=client -f crds/ -f manifests/ -o name | sort) <(kubectl create --dry-run=client -k manifests/ -o name | sort)
    kubectl apply --dry-run=server -k manifests/
}

@test "EKS Pod Identity: the instance's role is not used" {
    overlay eks-pod-identity
    deployment eks-pod-identity "$controller | .env | any(.name == \"AWS_EC2_METADATA_DISABLED\" and .value == \"true\")"
    deployment eks-pod-identity "$controller | .env | any(.name == \"POD_NAME\")"
}

@test "IRSA: the service account names a role, the instance's is not used" {
    overlay irsa
    jq -e '.items[] | select(.kind == "ServiceAccount") | .metadata.annotations["eks.amazonaws.com/role-arn"] | startswith("arn:aws:iam::")' "$WORK/irsa.json"
    deployment irsa "$controller | .env | any(.name == \"AWS_EC2_METADATA_DISABLED\" and .value == \"true\")"
}

@test "dry run: the flag is given, and the program knows it" {
    overlay dry-run
    deployment dry-run "$controller | .args == [\"--listen=:10270\", \"--dry-run\"]"
    "$ROOT/build/headroom-controller" --help | grep -q -- '--dry-run'
}

@test "high availability: two replicas in two zones, one of which an eviction leaves" {
    overlay high-availability
    deployment high-availability '.replicas == 2'
    deployment high-availability '.template.spec.affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution |
        map(.topologyKey) == ["kubernetes.io/hostname", "topology.kubernetes.io/zone"]'
    # What keeps them apart selects the pods that it is about.
    deployment high-availability '.template.metadata.labels as $labels | .template.spec.affinity.podAntiAffinity
        .requiredDuringSchedulingIgnoredDuringExecution | all(.labelSelector.matchLabels | to_entries | all($labels[.key] == .value))'
    # Where the base tolerates a taint, so does this.
    local base
    base=$(kubectl create --dry-run=client -f manifests/20-deployment.yaml -o json | jq -c .spec.template.spec.tolerations)
    deployment high-availability "($base - .template.spec.tolerations) == []"
    jq -e '.items[] | select(.kind == "PodDisruptionBudget") | .spec | .minAvailable == 1 and .maxUnavailable == null' "$WORK/high-availability.json"
}

@test "the Service and the network policy are about the controller's pods and their port" {
    kubectl apply --dry-run=server -k manifests/ -o json >"$WORK/base.json"
    jq -e '(.items[] | select(.kind == "Deployment") | .spec.template) as $pod
        | ($pod.metadata.labels | to_entries) as $labels
        | [.items[] | select(.kind == "Service") | .spec.selector, (.metadata.labels)]
          + [.items[] | select(.kind == "NetworkPolicy" and .metadata.name == "headroom-controller") | .spec.podSelector.matchLabels]
        | length == 3 and all(to_entries - $labels == [])' "$WORK/base.json"
    jq -e '[.items[] | select(.kind == "Deployment") | .spec.template.spec.containers[].ports[].name] == ["http"]' "$WORK/base.json"
    jq -e '.items[] | select(.kind == "Service") | .spec.ports | map([.name, .port, .targetPort]) == [["http", 10270, "http"]]' "$WORK/base.json"
    # What scrapes goes by the Service's labels and its port's name.
    jq -e --slurpfile base "$WORK/base.json" '.spec as $spec | $base[0].items[] | select(.kind == "Service")
        | ($spec.selector.matchLabels | to_entries) - (.metadata.labels | to_entries) == [] and $spec.endpoints[0].port == .spec.ports[0].name' \
        <<<"$("$HEADROOM_VENV/bin/python3" -c 'import json, sys, yaml; print(json.dumps(yaml.safe_load(sys.stdin)))' <manifests/monitoring/servicemonitor.yaml)"
    # Never two of them on one node, whatever is installed.
    jq -e '.items[] | select(.kind == "Deployment") | .spec.template.spec.affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution[].topologyKey
        | select(. == "kubernetes.io/hostname")' "$WORK/base.json"
}
