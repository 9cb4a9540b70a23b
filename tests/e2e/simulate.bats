#!/usr/bin/env bats
# headroom simulate as a command: where its input and output go, what it refuses before it plays, and that it says in words what came of it.

load lib

setup() {
    work "$BATS_TEST_TMPDIR"
    cat >"$WORK/mine.yaml" <<'YAML'
description: "A subnet of <nodes> & a spare one"
duration: 20m
subnets:
  - {name: nodes, zone: us-west-2a, cidr: 10.0.0.0/26, tags: {pool: pods}}
  - {name: spare, zone: us-west-2a, cidr: 10.0.4.0/22, tags: {pool: pods}}
instances: [{name: node, type: m5.large, subnet: nodes, count: 2}]
kubernetes: {agent: {CLUSTER_NAME: mine, WARM_ENI_TARGET: "1"}}
pools: [{name: pods, spec: {subnetSelectorTerms: [{tags: {pool: pods}}]}}]
demand:
  - {drain: nodes, at: 1m, over: 3m, free: 0}
  - {pods: web, at: 5m, every: 10s, until: 12m, count: 1}
YAML
}

simulate() { "$ROOT/build/headroom" simulate "$@"; }

# refused WORDS ARGUMENT..: exit code 2, these words, and no file but the scenario is left
refused() {
    local words=$1
    shift
    run simulate "$@"
    [ "$status" -eq 2 ] && [[ $output == *"$words"* ]] || fail "headroom simulate $*: $status, $output"
}

@test "the verdict says whether Headroom helps and what it costs, within 80 columns" {
    simulate "$WORK/mine.yaml" | tee "$WORK/said"
    tr -s '\n ' ' ' <"$WORK/said" | grep -Eq 'With Headroom (pods wait [0-9.]+% less: .* in all rather than|no pod waits, rather than [0-9]+ of them)'
    tr -s '\n ' ' ' <"$WORK/said" | grep -Eq 'It attaches [1-9][0-9]* ENIs; the cluster holds at most [0-9]+ addresses \([0-9]+ more than the agents alone\)'
    not grep -qE '^.{81}' "$WORK/said"
    grep -Eq '^spare +1,019 +1,019 +1,019 ' "$WORK/said"
    not grep -q $'\033' "$WORK/said"
    [ "$(simulate "$WORK/mine.yaml" 2>&1)" = "$(cat "$WORK/said")" ] # no progress where no terminal is
}

@test "a file, a pipe, text, JSON, YAML and a page hold the same" {
    simulate "$WORK/mine.yaml" -o json --html "$WORK/page.html" >"$WORK/file.json"
    simulate - -o json <"$WORK/mine.yaml" | jq 'del(.scenario)' >"$WORK/pipe.json"
    jq 'del(.scenario)' "$WORK/file.json" | diff - "$WORK/pipe.json"
    simulate "$WORK/mine.yaml" -o yaml | "$HEADROOM_VENV/bin/python3" -c 'import json, sys, yaml; json.dump(yaml.safe_load(sys.stdin), sys.stdout)' |
        jq -S . | diff - <(jq -S . "$WORK/file.json")
    jq -e '.apiVersion == "headroom.dev/v1alpha1" and .kind == "Simulation" and .remarks == []' "$WORK/file.json"
    diff <(simulate "$WORK/mine.yaml" -o text) <(simulate "$WORK/mine.yaml" -o table)
    grep -q '<h1>A subnet of &lt;nodes> &amp; a spare one</h1>' "$WORK/page.html"
    not grep -qE '(src|href)=|https?://' "$WORK/page.html" # it needs nothing else
}

@test "what cannot be right is refused before anything is played, and nothing is overwritten" {
    cp "$WORK/mine.yaml" "$WORK/kept"
    refused 'would overwrite the scenario' "$WORK/mine.yaml" --html "$WORK/mine.yaml"
    diff "$WORK/kept" "$WORK/mine.yaml"
    refused "there is no folder $WORK/none/" "$WORK/mine.yaml" --html "$WORK/none/page.html"
    refused '--column takes agent, headroom or oracle, not "all"' "$WORK/mine.yaml" --column all
    refused '--trace takes agent, headroom or oracle, not "x"' "$WORK/mine.yaml" --trace x
    refused '--trace agent needs that column' "$WORK/mine.yaml" --trace agent --column oracle
    refused '--scale takes a share from 0.001 to 1, not "50%"' "$WORK/mine.yaml" --scale 50%
    refused '--seed takes a whole number, not "-1"' "$WORK/mine.yaml" --seed=-1
    refused 'takes table, json or yaml, not "xml"' "$WORK/mine.yaml" -o xml
    refused 'Is a directory' "$WORK"
    refused 'No such file' "$WORK/none.yaml"
    refused 'there is nothing in it' /dev/null
    refused 'larger than 67108864 bytes' /dev/zero
    sed -i 's/subnetSelectorTerms/subnetSelectorTerm/' "$WORK/mine.yaml"
    refused "$WORK/mine.yaml: line 8: spec has no field \"subnetSelectorTerm\"; did you mean \"subnetSelectorTerms\"?" "$WORK/mine.yaml"
    # What is odd, but can be played, is a note beside the answer.
    sed 's/subnetSelectorTerm:/subnetSelectorTerms:/; s/{tags: {pool: pods}}\]/{tags: {pool: typo}}]/' "$WORK/kept" | simulate - -o json 2>"$WORK/notes" | jq -e '.remarks | length == 1'
    grep -q '^note: standard input: line 8: pool pods selects no subnet' "$WORK/notes"
    simulate --help | grep -q '^Exit codes: 0 played; 1 an invariant was broken; 2 the scenario or a flag is wrong'
}
