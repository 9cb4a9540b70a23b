#!/usr/bin/env bats
# A real Prometheus asks a real controller: the alerts' rules load, the dashboard's queries have answers, and an empty subnet alerts.

load lib

setup() {
    work "$BATS_TEST_TMPDIR"
    cluster_exhausted
    controller_start
    prometheus_start
}

teardown() {
    [ -z "${PROMETHEUS_PID:-}" ] || { kill "$PROMETHEUS_PID" && wait "$PROMETHEUS_PID"; } 2>/dev/null || true
    cluster_stop
}

# With every "for" cut to 2 s: a test does not wait for ten minutes. Their length is tests/rules' matter.
prometheus_start() {
    sed -n '/^spec:/,$p' "$ROOT/manifests/monitoring/prometheusrule.yaml" | sed '1d; s/^  //; s/^\( *for:\).*/\1 2s/' >"$WORK/alerts.yaml"
    cat >"$WORK/prometheus.yaml" <<YAML
global: {scrape_interval: 1s, evaluation_interval: 1s}
rule_files: [alerts.yaml]
scrape_configs: [{job_name: headroom, static_configs: [{targets: ["${METRICS#http://}"]}]}]
YAML
    PROMETHEUS=http://127.0.0.1:$(free_port)
    launch prometheus prometheus --config.file="$WORK/prometheus.yaml" --storage.tsdb.path="$WORK/tsdb" \
        --web.listen-address="${PROMETHEUS#http://}"
    PROMETHEUS_PID=$LAUNCHED
}

query() { curl -fsS --max-time 5 --data-urlencode "query=$1" "$PROMETHEUS/api/v1/query"; }
answers() { jq_true '.status == "success" and (.data.result | length > 0)' query "$1"; }

# PANEL TITLE and query, a line each
dashboard() {
    jq -r '.panels[] | .title as $title | .targets[] | [$title, .expr] | @tsv' "$ROOT/manifests/monitoring/dashboard.json" |
        sed 's/\$__rate_interval/10s/g; s/\$pool/pods/g'
}

@test "every panel has an answer while a subnet is empty and ENIs are attached, and the alert fires" {
    local title expr
    pool_apply pods
    within 30 "the leader to be scraped" answers 'headroom_leader == 1'
    pods_create web node-a1 8
    within 60 "an ENI to be attached" attached_by_us i-0a000000000000001 1
    within 20 "rates to be known" answers 'rate(headroom_enis_attached_total[10s])'
    while IFS=$'\t' read -r title expr; do
        case $title in
        # What may well be so in this cluster: no end in sight, and every condition True.
        "First subnet runs out in" | "Time until a subnet is exhausted" | "Conditions of the pools that are not True")
            jq_true '.status == "success"' query "$expr"
            ;;
        # A rate over ten seconds is none while EC2 has not been asked for so long: subnets are read every half a minute at the least.
        *) within 45 "an answer for $title: $expr" answers "$expr" ;;
        esac
    done < <(dashboard)

    # Both subnets of the zone: now nobody can help.
    sim_drain nodes-a 0
    sim_drain pods-a 0
    within 60 "the alert about the zone" answers 'ALERTS{alertname="HeadroomNoHealthySubnet",alertstate="firing",pool="pods"}'
    answers 'headroom_leader == 1'
    not answers 'ALERTS{alertname="HeadroomNoLeader"}'
}
