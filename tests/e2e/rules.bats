#!/usr/bin/env bats
# manifests/monitoring: every alert fires when it must and not when it must not, tells what to do, and asks for metrics that exist.

load lib

setup_file() {
    export RULES=$BATS_FILE_TMPDIR/rules
    mkdir -p "$RULES"
    # What Prometheus Operator takes out of the object.
    sed -n '/^spec:/,$p' "$ROOT/manifests/monitoring/prometheusrule.yaml" | sed '1d; s/^  //' >"$RULES/alerts.yaml"
    cp "$ROOT"/tests/rules/*.yaml "$RULES/"
}

alerts() { sed -n 's/^ *- alert: //p' "$RULES/alerts.yaml"; }

# Grafana replaces its variables before Prometheus sees them.
dashboard_queries() {
    jq -r '[.panels[].targets[].expr] | .[]' "$ROOT/manifests/monitoring/dashboard.json" |
        sed 's/\$__rate_interval/1m/g; s/\$pool/.*/g'
}

@test "promtool takes the rules" {
    promtool check rules "$RULES/alerts.yaml"
}

@test "each story of tests/rules ends as it must" {
    cd "$RULES"
    promtool test rules capacity.yaml ec2.yaml controller.yaml
}

@test "each alert fires in a story" {
    local alert
    for alert in $(alerts); do
        grep -qE "alertname(=\"|: )$alert\b" "$ROOT"/tests/rules/*.yaml || fail "no story for $alert"
    done
}

@test "each alert says what to do, and the runbook says more" {
    local alert anchor
    [ "$(grep -c 'summary:' "$RULES/alerts.yaml")" -eq "$(alerts | wc -l)" ]
    [ "$(grep -c 'description:' "$RULES/alerts.yaml")" -eq "$(alerts | wc -l)" ]
    for alert in $(alerts); do
        anchor=docs/runbook.md#${alert,,}
        grep -qx " *runbook_url: $anchor" "$RULES/alerts.yaml" || fail "$alert: no runbook_url $anchor"
        grep -qx "## $alert" "$ROOT/docs/runbook.md" || fail "docs/runbook.md: no section $alert"
    done
    [ "$(grep -c '^## Headroom' "$ROOT/docs/runbook.md")" -eq "$(alerts | wc -l)" ]
}

@test "alerts and dashboard ask for metrics that the controller has" {
    local metric
    for metric in $({ cat "$RULES/alerts.yaml"; dashboard_queries; } | grep -oE '\bheadroom_[a-z0-9_]+' | sort -u); do
        # A histogram's or a summary's series are its name and a suffix.
        grep -qE "\"($metric|${metric%_bucket}|${metric%_sum}|${metric%_count})\"" "$ROOT/src/web/metrics.c" ||
            fail "$metric: not in src/web/metrics.c"
    done
}

@test "the dashboard's queries are PromQL, and it is part of what is applied" {
    dashboard_queries | jq -Rn '{groups: [{name: "dashboard", rules: [inputs | {record: "query", expr: .}] | to_entries |
        map(.value + {record: "query_\(.key)"})}]}' >"$RULES/dashboard.json"
    promtool check rules "$RULES/dashboard.json"
    kubectl kustomize "$ROOT/manifests/monitoring" | grep -q 'headroom.json: '
    [ "$(kubectl kustomize "$ROOT/manifests/monitoring" | grep '^kind: ' | sort | xargs)" = "kind: ConfigMap kind: PrometheusRule kind: ServiceMonitor" ]
}
