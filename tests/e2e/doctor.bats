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

# doctor [FLAG..]: as somebody with the administrator's kubeconfig and the controller's AWS credentials; DOCTOR_KEYS="id secret" or
# none: others.
doctor() {
    local keys=${DOCTOR_KEYS-AKIACONTROLLEREXAMPLE controller+secret/for/tests/EXAMPLEKEY}
    local command=(env -i "PATH=$PATH" "HOME=$WORK" "KUBECONFIG=$KUBECONFIG" AWS_EC2_METADATA_DISABLED=true)
    DOCTOR_STATUS=0
    [ -z "$keys" ] || command+=(AWS_REGION=us-west-2 "AWS_ENDPOINT_URL=$SIM" "AWS_ACCESS_KEY_ID=${keys% *}" "AWS_SECRET_ACCESS_KEY=${keys#* }")
    "${command[@]}" "$ROOT/build/headroom" doctor "$@" >"$WORK/doctor.out" 2>&1 || DOCTOR_STATUS=$?
    cat "$WORK/doctor.out"
}

well() {
    doctor
    [ "$DOCTOR_STATUS" -eq 0 ] && ! grep -q '^MEND' "$WORK/doctor.out" && grep -q '^Nothing to mend' "$WORK/doctor.out"
}

# finds NAME WORDS MEND: a finding of that name says the words, and what to do about it
finds() {
    doctor
    [ "$DOCTOR_STATUS" -eq 1 ] && grep -A 1 "^MEND  $1: .*$2" "$WORK/doctor.out" | grep -q -- "-> .*$3"
}

agent_set() { kubectl -n kube-system set env ds/aws-node "$@" >/dev/null; }
pool_patch() { kubectl patch snp "$1" --type merge -p "{\"spec\":$2}" >/dev/null; }

@test "each of ten things that are wrong with settings, pools and rights is found by its name, with its remedy" {
    pool_apply pods
    controller_start
    within 60 "a cluster that is well" well
    grep -q '^ok    iam: these AWS credentials may' "$WORK/doctor.out"

    # The agent's settings.
    agent_set MINIMUM_IP_TARGET=4
    within 10 "1: the minimum without a target" finds agent-minimum-without-target 'MINIMUM_IP_TARGET without WARM_IP_TARGET' 'WARM_IP_TARGET=2'
    agent_set MINIMUM_IP_TARGET- WARM_ENI_TARGET=0
    within 10 "2: nothing kept warm" finds agent-nothing-warm 'WARM_ENI_TARGET=0' 'WARM_ENI_TARGET=1'
    agent_set WARM_ENI_TARGET=1 ENABLE_PREFIX_DELEGATION=true
    within 10 "3: prefixes without a target" finds agent-prefixes-without-target 'neither WARM_PREFIX_TARGET' 'WARM_PREFIX_TARGET=1'
    agent_set ENABLE_PREFIX_DELEGATION- ENABLE_IPv6=true
    within 10 "4: IPv6" finds agent-ipv6 'ENABLE_IPv6' uninstall
    agent_set ENABLE_IPv6-
    within 30 "a cluster that is well again" well

    # Pools.
    pool_patch pods '{"nodeSelector":{"matchLabels":{"team":"nobody"}}}'
    within 30 "5: the pool without nodes" finds pool-without-nodes 'pool pods serves no node' nodeSelector
    pool_patch pods '{"nodeSelector":null,"subnetSelectorTerms":[{"tags":{"headroom.dev/pool":"typo"}}]}'
    within 30 "6: tags that no subnet has" finds pool-without-subnets "none of the VPC's 5 subnets" 'Key=headroom.dev/pool,Value=typo'
    within 30 "6: what the controller says of it" finds pool-condition 'pool pods, SubnetsNotFound' 'tag subnets'
    pool_patch pods '{"subnetSelectorTerms":[{"id":"subnet-0a00000000000001a"}]}'
    within 30 "7: a zone left out" finds pool-zone-without-subnet 'in zone us-west-2b' 'select a subnet there'
    kubectl delete snp pods >/dev/null
    within 10 "8: no pool" finds pool-missing 'there is no SubnetPool' samples
    pool_apply pods
    within 30 "a cluster that is well again" well

    # Rights.
    sim_post policy "$(jq -c '{who: "controller", document: (.Statement |= map(select(.Sid != "CreateMarkedENIs")))}' "$ROOT/manifests/iam/policy.json" |
        sed 's/CLUSTER_NAME/e2e/g')"
    within 10 "9: the action that the role's policy lacks" finds iam-denied 'may not ec2:CreateNetworkInterface' '"aws:RequestTag/headroom.dev/cluster":"e2e"'
    # It asked, and did nothing.
    requests | jq -e 'map(select(.params | tostring | test("headroom doctor"))) | length > 0 and all(.params | tostring | test("DryRun"))' >/dev/null
    sim_post policy '{"who":"controller"}'
    kubectl delete clusterrolebinding headroom-controller >/dev/null
    within 10 "10: the missing rights" finds rbac 'may not patch nodes/status' 'manifests/10-rbac.yaml'
    grep -q 'may not watch pods$' "$WORK/doctor.out"
    not grep -q 'in namespace kube-system' "$WORK/doctor.out"
}

@test "no leader, no agent, an old CRD or none, wrong keys, no API server; JSON and YAML" {
    finds never-led 'no controller has ever led' 'get pods'
    pool_apply pods
    finds pool-unseen 'no controller has looked at pool pods' 'leads'
    controller_start
    within 60 "a cluster that is well" well
    controller_stop
    finds no-leader 'no controller leads' 'get pods'

    DOCTOR_KEYS='' doctor
    grep -q '^skip  aws-credentials: AWS was not asked' "$WORK/doctor.out"
    DOCTOR_KEYS='AKIANOBODY wrong' finds aws-credentials AuthFailure 'aws sts get-caller-identity'
    doctor -o json | jq -e '.kind == "Diagnosis" and .toMend == 1 and (.checks | any(.name == "no-leader" and .result == "mend" and (.remedy | test("get pods"))))'
    doctor -o yaml | "$HEADROOM_VENV/bin/python3" -c 'import sys, yaml; assert yaml.safe_load(sys.stdin)["toMend"] == 1'

    kubectl -n kube-system delete ds aws-node
    within 10 "the missing agent" finds agent-missing 'no DaemonSet kube-system/aws-node' 'Amazon VPC CNI'

    kubectl patch crd subnetpools.headroom.dev --type json \
        -p '[{"op":"remove","path":"/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/maxDataAge"}]'
    within 10 "the old CRD" finds crd-outdated 'has no spec.maxDataAge' 'apply -f crds/'
    kubectl delete crd subnetpools.headroom.dev
    within 20 "the missing CRD" finds crd-missing 'does not know SubnetPools' 'apply -f crds/'

    sed "s|server: .*|server: https://127.0.0.1:$(free_port)}|" "$KUBECONFIG" >"$WORK/nowhere"
    KUBECONFIG=$WORK/nowhere doctor
    [ "$DOCTOR_STATUS" -eq 1 ]
    grep -q '^headroom: ' "$WORK/doctor.out"
}
