#!/usr/bin/env bats
# headroom doctor: silent about a cluster that is well, and names each thing that is not, with what to do.

load lib

setup() {
    work "$BATS_TEST_TMPDIR"
    cluster_start zones
}

teardown() {
    cluster_stop
    # What a story took away.
    (cd "$ROOT" && kubectl apply -f crds/ -f manifests/10-rbac.yaml) >/dev/null
    kubectl wait --for=condition=Established --timeout=30s crd/subnetpools.headroom.dev >/dev/null
}

doctor() {
    DOCTOR_STATUS=0
    env -i "PATH=$PATH" "HOME=$WORK" "KUBECONFIG=$KUBECONFIG" "$ROOT/build/headroom" doctor >"$WORK/doctor.out" 2>&1 || DOCTOR_STATUS=$?
    cat "$WORK/doctor.out"
}

well() {
    doctor
    [ "$DOCTOR_STATUS" -eq 0 ] && ! grep -q '^MEND' "$WORK/doctor.out" && grep -q '^Nothing to mend' "$WORK/doctor.out"
}

# finds WORDS MEND: one finding says the words, and what to do about it
finds() {
    doctor
    [ "$DOCTOR_STATUS" -eq 1 ] && grep -A 1 "^MEND  .*$1" "$WORK/doctor.out" | grep -q -- "$2"
}

agent_set() { kubectl -n kube-system set env ds/aws-node "$@" >/dev/null; }

@test "nothing to mend; then each of its settings, pools and rights that is wrong is found" {
    pool_apply pods
    controller_start
    within 60 "a cluster that is well" well

    agent_set MINIMUM_IP_TARGET=4
    within 10 "the minimum without a target" finds 'MINIMUM_IP_TARGET without WARM_IP_TARGET' 'WARM_IP_TARGET=2'
    agent_set MINIMUM_IP_TARGET- WARM_ENI_TARGET=0
    within 10 "nothing kept warm" finds 'WARM_ENI_TARGET=0' 'WARM_ENI_TARGET=1'
    agent_set WARM_ENI_TARGET=1 ENABLE_PREFIX_DELEGATION=true
    within 10 "prefixes without a target" finds 'neither WARM_PREFIX_TARGET' 'WARM_PREFIX_TARGET=1'
    agent_set ENABLE_PREFIX_DELEGATION- ENABLE_IPv6=true
    within 10 "IPv6" finds 'ENABLE_IPv6' uninstall
    agent_set ENABLE_IPv6-
    within 30 "a cluster that is well again" well

    kubectl patch snp pods --type merge -p '{"spec":{"nodeSelector":{"matchLabels":{"team":"nobody"}}}}'
    within 30 "the pool without nodes" finds 'pool pods serves no node' nodeSelector
    kubectl delete snp pods
    within 10 "no pool" finds 'there is no SubnetPool' samples
    pool_apply typo
    kubectl patch snp typo --type merge -p '{"spec":{"subnetSelectorTerms":[{"id":"subnet-0123456789abcdef0"}]}}'
    within 30 "the pool that matches nothing" finds 'pool typo, SubnetsNotFound' ''
    kubectl delete snp typo
    pool_apply pods
    within 30 "a cluster that is well again" well

    kubectl delete clusterrolebinding headroom-controller
    within 10 "the missing rights" finds 'may not patch nodes/status' 'manifests/10-rbac.yaml'
    grep -q 'may not watch pods$' "$WORK/doctor.out"
    not grep -q 'in namespace kube-system' "$WORK/doctor.out"
}

@test "no leader, no agent, no CRD, no API server" {
    finds 'no controller has ever led' 'get pods'
    pool_apply pods
    finds 'no controller has looked at pool pods' 'leads'
    controller_start
    within 60 "a cluster that is well" well
    controller_stop
    finds 'no controller leads' 'get pods'

    kubectl -n kube-system delete ds aws-node
    within 10 "the missing agent" finds 'no DaemonSet kube-system/aws-node' 'Amazon VPC CNI'

    kubectl delete crd subnetpools.headroom.dev
    within 20 "the missing CRD" finds 'does not know SubnetPools' 'apply -f crds/'

    sed "s|server: .*|server: https://127.0.0.1:$(free_port)}|" "$KUBECONFIG" >"$WORK/nowhere"
    KUBECONFIG=$WORK/nowhere doctor
    [ "$DOCTOR_STATUS" -eq 1 ]
    grep -q '^headroom: ' "$WORK/doctor.out"
}
