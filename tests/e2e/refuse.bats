#!/usr/bin/env bats
# What a user may get wrong in a SubnetPool is refused at apply, by a message that names the field and the fix.

load lib

# A pool that is right in everything, so that what is refused is refused for its one mistake.
good_pool() {
    cat <<'YAML'
apiVersion: headroom.dev/v1alpha1
kind: SubnetPool
metadata:
  name: good
spec:
  subnetSelectorTerms:
    - id: subnet-0123456789abcdef0
    - tags: {headroom.dev/pool: pods, team: "*"}
  nodeSelector:
    matchLabels: {kubernetes.io/os: linux}
    matchExpressions:
      - {key: topology.kubernetes.io/zone, operator: In, values: [us-west-2a]}
      - {key: example.com/no-headroom, operator: DoesNotExist}
  weight: 100
  securityGroupSelectorTerms:
    - id: sg-0123456789abcdef0
  watermarks: {low: 40, high: 80}
  reservedIPs: 0
  headroom: {minIPsPerNode: 4, leadTime: 1h, maxENIsPerNode: 4}
  strategy: Ordered
  addressing: Prefix
  onNodeExhausted: Taint
  limits: {attachPerMinute: 60, maxENIs: 500}
  maxDataAge: 1m30s
  paused: true
  dryRun: true
YAML
}

@test "a pool that uses every field rightly is accepted" {
    good_pool | kubectl apply --dry-run=server -f -
}

@test "every sample is accepted" {
    local sample
    for sample in "$ROOT"/manifests/samples/*.yaml; do
        kubectl apply --dry-run=server -f "$sample"
    done
}

@test "each wrong pool of tests/e2e/refuse is refused, with the words that help" {
    local file expected answer wrong=0 count=0
    for file in "$BATS_TEST_DIRNAME"/refuse/*.yaml; do
        count=$((count + 1))
        expected=$(sed -n '1s/^# expect: //p' "$file")
        [ -n "$expected" ] || fail "$file does not say what it expects"
        if answer=$(kubectl apply --dry-run=server -f "$file" 2>&1); then
            echo "accepted: ${file##*/}"
            wrong=$((wrong + 1))
        elif ! grep -qF -- "$expected" <<<"$answer"; then
            printf '%s\n  expected: %s\n  answered: %s\n' "${file##*/}" "$expected" "$answer"
            wrong=$((wrong + 1))
        fi
    done
    [ $count -ge 40 ] || fail "only $count wrong pools"
    [ $wrong -eq 0 ]
}

@test "an edit that breaks a good pool is refused, and the pool stays as it was" {
    good_pool | kubectl apply -f -
    run kubectl patch snp good --type merge -p '{"spec":{"watermarks":{"low":90}}}'
    [ "$status" -ne 0 ]
    [[ $output == *"watermarks.low must be less than watermarks.high"* ]] || fail "$output"
    [ "$(kubectl get snp good -o jsonpath='{.spec.watermarks.low}')" = 40 ]
    kubectl delete snp good
}

@test "what a pool leaves out gets the documented default" {
    local got
    got=$(kubectl apply --dry-run=server -o json -f - <<'YAML' | jq -cS '.spec | del(.subnetSelectorTerms)'
apiVersion: headroom.dev/v1alpha1
kind: SubnetPool
metadata: {name: short}
spec: {subnetSelectorTerms: [{id: subnet-0123456789abcdef0}]}
YAML
)
    [ "$got" = '{"addressing":"Auto","dryRun":false,"headroom":{"leadTime":"2m","minIPsPerNode":0},"limits":{},"maxDataAge":"5m","nodeSelector":{},"onNodeExhausted":"Report","paused":false,"reservedIPs":8,"strategy":"MostFree","watermarks":{"high":"20%","low":"10%"},"weight":0}' ] ||
        fail "$got"
}

@test "kubectl explain has words for every field of spec and status" {
    local path bare=
    for path in $(kubectl get crd subnetpools.headroom.dev -o json | jq -r '
        .spec.versions[0].schema.openAPIV3Schema.properties
        | to_entries[] | select(.key == "spec" or .key == "status")
        | .key as $top | .value
        | [paths(type == "object" and (has("type") or has("x-kubernetes-int-or-string")))]
        | map(select(index("default") | not) | map(select(. != "properties" and . != "items" and . != "additionalProperties")))
        | unique[] | [$top] + . | map(tostring) | join(".")'); do
        [[ $path == *.matchLabels.* || $path == *anyOf* ]] && continue
        kubectl explain "snp.$path" | sed -n '/^DESCRIPTION:/,/^FIELDS:/p' | grep -q '[a-z]\{3\}' ||
            bare="$bare $path"
    done
    [ -z "$bare" ] || fail "no description:$bare"
}
