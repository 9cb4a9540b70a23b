#!/usr/bin/env bats
# Every command in the README and the docs is run here, on a cluster with a pool and a controller; one that cannot be is marked in its
# page with the reason (tests/e2e/docs_commands.py has the marks), counted and shown.

load lib

setup() { work "$BATS_TEST_TMPDIR"; }

teardown() { cluster_stop; }

# A folder like the repository, in which commands may write.
desk() {
    mkdir -p "$WORK/desk" "$WORK/bin"
    ln -s "$ROOT"/* "$WORK/desk/"
    ln -s "$ROOT/build/headroom" "$WORK/bin/headroom"
    ln -s "$ROOT/build/headroom" "$WORK/bin/kubectl-headroom"
    ln -s "$ROOT/build/headroom-controller" "$WORK/bin/headroom-controller"
    # What pages speak of by examples.
    printf 'apiVersion: headroom.dev/v1alpha1\nkind: SubnetPool\nmetadata: {name: pods}\nspec:\n  subnetSelectorTerms: [{tags: {headroom.dev/pool: pods}}]\n  watermarks: {low: 40%%, high: 20%%}\n' >"$WORK/desk/pool.yaml"
    cp "$ROOT/tests/sim/scenarios/4-untagged.yaml" "$WORK/desk/my.yaml"
}

# run_as_written COMMAND: with POOL, NODE and the like replaced by what this cluster has
run_as_written() {
    local command
    command=$(sed -E 's/\b(POOL|NAME)\b/pods/g; s/\bNODE\b/node-a1/g; s/\bZONE\b/us-west-2a/g' <<<"$1")
    (cd "$WORK/desk" && env "PATH=$WORK/bin:$PATH" "HOME=$WORK" AWS_REGION=us-west-2 "AWS_ENDPOINT_URL=$SIM" AWS_EC2_METADATA_DISABLED=true \
        AWS_ACCESS_KEY_ID=AKIACONTROLLEREXAMPLE AWS_SECRET_ACCESS_KEY=controller+secret/for/tests/EXAMPLEKEY \
        timeout 60 bash -o pipefail -c "$command") >"$WORK/said" 2>&1 </dev/null
}

@test "every command of the README and the docs does what it says" {
    local how row at command bad=0 ran=0 skipped
    cluster_start zones
    pool_apply pods
    controller_start
    within 60 "the pool's status" pool_condition pods Ready True
    desk
    (cd "$ROOT" && tests/e2e/docs_commands.py README.md docs/*.md) >"$WORK/commands"
    for how in run fails last; do
        while IFS= read -r row; do
            at=$(jq -r .at <<<"$row")
            command=$(jq -r .command <<<"$row")
            ran=$((ran + 1))
            if run_as_written "$command"; then
                [ $how != fails ] || { echo "$at: succeeds: $command" && bad=$((bad + 1)); }
            elif [ $how != fails ]; then
                echo "$at: $command"
                sed 's/^/    /' "$WORK/said" | head -n 8
                bad=$((bad + 1))
            fi
        done < <(jq -c "select(.how == \"$how\")" "$WORK/commands")
    done
    skipped=$(jq -s 'map(select(.how == "skip")) | length' "$WORK/commands")
    echo "# measured: commands of the docs: $ran run, $skipped not run ($(jq -rs 'map(select(.how == "skip").why) | group_by(.) | map("\(.[0]): \(length)") | join("; ")' "$WORK/commands"))" >&3
    [ $bad -eq 0 ]
    [ $ran -ge 30 ]
}

@test "links between the pages lead somewhere" {
    local page link bad=0
    for page in "$ROOT"/README.md "$ROOT"/docs/*.md "$ROOT"/CHANGELOG.md "$ROOT"/SECURITY.md; do
        for link in $(grep -oE '\]\([^)#]+' "$page" | cut -c3- | grep -v '^http'); do
            [ -e "$(dirname "$page")/$link" ] || { echo "${page#"$ROOT"/}: $link" && bad=$((bad + 1)); }
        done
    done
    [ $bad -eq 0 ]
}
