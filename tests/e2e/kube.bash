# What the files kube_*.bats share: a box between the controller and its API server that misbehaves when told to (middlebox.py), and
# what must hold when the trouble is over. Loaded after lib.
#
#   box_start [tls]        the controller's kubeconfig is $CONTROLLER_KUBECONFIG from now on, and leads through the box; tls: the box
#                          ends TLS itself, by a certificate that the authority box-ca.pem has signed
#   box ORDER              middlebox.py's head lists the orders
#   picture_whole          as many nodes, pods and pools as the API server has
#   box_stop

box_start() {
    local port control server tls=()
    read -r port control < <("$ROOT/hack/free-ports" 2)
    server=$(sed -n 's|.*server: "https://\([^"]*\)".*|\1|p' "$TESTENV/controller.kubeconfig")
    export BOX=http://127.0.0.1:$control CONTROLLER_KUBECONFIG=$WORK/controller.kubeconfig
    sed "s|$server|127.0.0.1:$port|" "$TESTENV/controller.kubeconfig" >"$CONTROLLER_KUBECONFIG"
    if [ "${1:-}" = tls ]; then
        authority box-ca
        certificate box-ca
        sed -i "s|certificate-authority: \"[^\"]*\"|certificate-authority: \"$WORK/box-ca.pem\"|" "$CONTROLLER_KUBECONFIG"
        tls=(--cert "$WORK/box.pem" --to-ca "$TESTENV/certs/apiserver.crt")
    fi
    launch box python3 "$BATS_TEST_DIRNAME/middlebox.py" --listen "$port" --control "$control" --to "$server" "${tls[@]}"
    BOX_PID=$LAUNCHED
    within 20 "the box to stand" box_state
}

box() { curl -fsS --max-time 10 -X POST "$BOX/$1" >/dev/null; }
box_state() { curl -fsS --max-time 10 "$BOX/state"; }
box_stop() { [ -z "${BOX_PID:-}" ] || { kill "$BOX_PID" && wait "$BOX_PID"; } 2>/dev/null || true; }

# authority NAME: $WORK/NAME.pem and .key
authority() {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$1" -days 2 \
        -keyout "$WORK/$1.key" -out "$WORK/$1.pem" 2>/dev/null
}

# certificate AUTHORITY: the box's, for 127.0.0.1; it counts from the next `box reload` on
certificate() {
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=box -keyout "$WORK/box.key" -out "$WORK/box.csr" 2>/dev/null
    openssl x509 -req -in "$WORK/box.csr" -CA "$WORK/$1.pem" -CAkey "$WORK/$1.key" -days 2 -out "$WORK/box.crt" \
        -extfile <(echo subjectAltName=IP:127.0.0.1) 2>/dev/null
    cat "$WORK/box.key" "$WORK/box.crt" >"$WORK/box.pem"
}

watched() { metric "headroom_watched_objects{kind=\"$1\"}"; }
counted() { kubectl get "$@" --no-headers 2>/dev/null | wc -l; }

# Pods that hold or await an address, as the controller counts them.
picture_whole() {
    local seen there
    seen="$(watched Node) nodes, $(watched Pod) pods, $(watched SubnetPool) pools"
    there="$(counted nodes) nodes, $(counted pods -A --field-selector spec.hostNetwork=false,spec.nodeName!=) pods, $(counted snp) pools"
    [ "$seen" = "$there" ] || { echo "the controller has $seen; the server $there" && return 1; }
}

# since NS: our changes in EC2 from then on
changes_since() { mutations controller | jq --arg since "$(date -u -d "@${1%?????????}.${1: -9}" +%Y-%m-%dT%H:%M:%S.%3NZ)" 'map(select(.time >= $since))'; }
no_change_since() {
    local changes
    changes=$(changes_since "$1")
    [ "$(jq length <<<"$changes")" -eq 0 ] || fail "changed EC2 all the same: $(jq -c 'map([.time, .action, .code])' <<<"$changes")"
}
