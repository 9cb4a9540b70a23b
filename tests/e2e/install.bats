#!/usr/bin/env bats
# What users apply: it goes in both ways, gives the controller the rights that it needs and no others, and its pod is as restricted as
# it can be. (setup_suite has applied crds/ and manifests/ already, as the README says.)

load lib

setup() {
    work "$BATS_TEST_TMPDIR"
}

as_controller() { kubectl auth can-i "$@" --as system:serviceaccount:headroom-system:headroom-controller; }

may() { [ "$(as_controller "$@")" = yes ] || fail "the controller may not: $*"; }
may_not() { [ "$(as_controller "$@" 2>/dev/null)" = no ] || fail "the controller may: $*"; }

@test "kubectl apply -f again changes nothing" {
    (cd "$ROOT" && kubectl apply -f crds/ -f manifests/ && kubectl diff -f crds/ -f manifests/)
}

@test "kubectl apply -k applies the same objects" {
    (cd "$ROOT" && kubectl kustomize manifests/ | kubectl apply --dry-run=server -o name -f - | sort) >"$WORK/k"
    (cd "$ROOT" && kubectl apply --dry-run=server -o name -f crds/ -f manifests/ | sort) >"$WORK/f"
    diff "$WORK/f" "$WORK/k"
}

@test "the controller may do what it must" {
    may list nodes
    may watch nodes
    may patch nodes
    may patch nodes --subresource=status
    may list pods -A
    may watch pods -A
    may list daemonsets.apps -n kube-system
    may watch daemonsets.apps -n kube-system
    may list subnetpools.headroom.dev
    may patch subnetpools.headroom.dev --subresource=status
    may create leases.coordination.k8s.io -n headroom-system
    may update leases.coordination.k8s.io/headroom-controller -n headroom-system
    may create events.events.k8s.io -n default
    may patch events.events.k8s.io -n default
}

@test "and nothing else that would do harm" {
    may_not get secrets -A
    may_not list configmaps -n headroom-system
    may_not create pods -n headroom-system
    may_not delete pods -A
    may_not patch pods -A
    may_not create pods --subresource=exec -A
    may_not delete nodes
    may_not create nodes
    may_not update subnetpools.headroom.dev
    may_not delete subnetpools.headroom.dev
    may_not list daemonsets.apps -A
    may_not patch daemonsets.apps -n kube-system
    may_not update leases.coordination.k8s.io/other -n headroom-system
    may_not get leases.coordination.k8s.io -n kube-system
    may_not create events.events.k8s.io -n kube-system
    may_not impersonate users
    may_not create tokenreviews.authentication.k8s.io
}

@test "but for the host's network, its pod meets Pod Security level restricted" {
    kubectl create namespace restricted --dry-run=client -o yaml | kubectl apply -f -
    kubectl label --overwrite namespace restricted pod-security.kubernetes.io/enforce=restricted
    kubectl get deployment -n headroom-system headroom-controller -o json |
        jq '{apiVersion: "v1", kind: "Pod", metadata: {name: "probe", namespace: "restricted"}, spec: .spec.template.spec}
            | del(.spec.hostNetwork, .spec.serviceAccount, .spec.serviceAccountName, .spec.priorityClassName)
            | del(.spec.containers[].ports[].hostPort)' |
        kubectl create --dry-run=server -f -
    kubectl delete namespace restricted --wait=false
}

@test "everyone who may view sees pools, and only administrators change them" {
    kubectl get clusterrole headroom-view -o json | jq -e '.metadata.labels["rbac.authorization.k8s.io/aggregate-to-view"] == "true"
        and ([.rules[].verbs[]] - ["get", "list", "watch"] == [])'
    kubectl get clusterrole headroom-admin -o json | jq -e '.metadata.labels["rbac.authorization.k8s.io/aggregate-to-admin"] == "true"'
}

@test "the IAM policy is JSON that allows no wildcard action and no change without the cluster's tag" {
    jq -e '[.Statement[].Action | if type == "array" then .[] else . end] | all(test("[*]") | not)' "$ROOT/manifests/iam/policy.json"
    jq -e '[.Statement[].Action | if type == "array" then .[] else . end]
        | all(test("Detach|Terminate|RunInstances|Stop|DeleteTags") | not)' "$ROOT/manifests/iam/policy.json"
}
