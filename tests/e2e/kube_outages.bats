#!/usr/bin/env bats
# A real API server, and what happens on the way to it and behind it. Each story ends alike: the controller's picture is the server's again,
# nothing was changed in EC2 on what it did not know, and a need that came meanwhile is met. The last one is about who leads.
#
# HEADROOM_LONG=1 adds those that take more than a few seconds.

load lib
load kube

A1=i-0a000000000000001
A2=i-0a000000000000002
B1=i-0a000000000000003

setup_file() {
    work "$BATS_FILE_TMPDIR"
    cluster_exhausted
    sim_drain nodes-b 0
    pool_apply pods
    pods_create gone node-a2 3
    box_start tls
    controller_behind_box
    export WORK SIM SIM_PID METRICS CONTROLLER_PID BOX_PID
}

teardown_file() {
    cluster_stop
    box_stop
}

# The controller, through the box, with a whole picture.
controller_behind_box() {
    controller_start "$@"
    within 30 "the pool to say that nodes-a is exhausted" subnet_state pods subnet-0a00000000000000a Exhausted
    within 30 "the picture to be whole" picture_whole
}

long() { [ -n "${HEADROOM_LONG:-}" ] || skip "takes long; set HEADROOM_LONG=1"; }

# A story that takes minutes has a cluster of its own. CONTROLLER_KUBECONFIG leads through the box.
long_story() {
    long
    cluster_stop
    [ ! -e "$WORK/controller.log" ] || mv "$WORK/controller.log" "$WORK/controller.$BATS_TEST_NUMBER.log" # what it says is of this story
    cluster_exhausted
    box pass
}

api_answers() { kubectl get --raw /readyz; }
ready_again() { within "${1:-60}" "the controller to be ready again" controller_ready; }

# All that ever happened is compacted: a watch from the past can only be refused.
etcd_compact() {
    local etcd
    etcd=$(tr '\0' '\n' <"/proc/$(server_pid etcd)/cmdline" | grep -m 1 -o '^http://127.0.0.1:[0-9]*')
    curl -fsS "$etcd/v3/kv/range" -d '{"key":"AA=="}' | jq -c '{revision: .header.revision}' |
        curl -fsS "$etcd/v3/kv/compaction" -d @- >/dev/null
}
server_pid() { awk -v name="$1" '$1 == name {print $2}' "$TESTENV/pids"; }

@test "the API server dies, and its history is compacted: 410, and a new list brings what was missed" {
    local since relists
    relists=$(metric headroom_watch_relists_total)
    box refuse
    box cut
    since=$(now_ns)
    kubectl delete pods -l app=gone --force --grace-period=0 2>/dev/null
    pods_create restart node-a1 8
    etcd_compact
    "$ROOT/hack/testenv/restart" "$TESTENV" kube-apiserver
    within 60 "the API server to answer again" api_answers
    no_change_since "$since"
    box pass
    within 40 "the picture to be whole" picture_whole
    within 30 "the need to be met" attached_by_us $A1 1
    [ "$(metric headroom_watch_relists_total)" -gt "$relists" ]
}

@test "a busy API server, 429 with Retry-After: nobody asks it earlier, and the need is met afterwards" {
    local since begun
    long
    ready_again
    since=$(now_ns)
    box busy/4
    pods_create busy node-a2 8
    within 30 "each kind of request to have been told" jq_true '.busy | length >= 8' box_state
    within 30 "the log to say it" log_says 'the API server is busy'
    no_change_since "$since"
    begun=$(box_state | jq '.busy | length')
    # Seven watchers and the Lease: in 4 s each comes once, and the jitter lets some come twice.
    sleep 4
    [ $(($(box_state | jq '.busy | length') - begun)) -le 16 ] || fail "it was asked too often: $(box_state | jq -c .busy)"
    box pass
    within 40 "the picture to be whole" picture_whole
    within 30 "the need to be met" attached_by_us $A2 1
}

@test "the server's certificate comes from a new authority: refused until the CA file says so" {
    local since
    ready_again
    authority new-ca
    certificate new-ca
    since=$(now_ns)
    box reload
    box cut
    pods_create ca node-b1 8
    within 30 "the log to say that it is not trusted" log_says 'certificate of .* is not trusted'
    no_change_since "$since"
    cp "$WORK/new-ca.pem" "$WORK/box-ca.pem"
    within 60 "the picture to be whole" picture_whole
    within 40 "the need to be met" attached_by_us $B1 1
}

@test "a hostile API server: each kind of nonsense is refused by name, memory stays bounded, and all is well when it is sane again" {
    local since kind
    long
    since=$(now_ns)
    # The one that ran so far stands for all that have a picture already.
    box lie/frame
    within 20 "the log to say it" log_says 'a watch frame of 2147483647 bytes, more than'
    controller_runs
    memory_bounded
    for kind in endless deep wide slow-head types cut huge bomb; do
        controller_kill
        box "lie/$kind"
        controller_start
        within 30 "the log to name it: $kind" said_since_start "${NONSENSE[$kind]}"
        controller_runs || { logs_tail; fail "it has ended: $kind"; }
        memory_bounded
        curl -fsS --max-time 5 "$METRICS/healthz" >/dev/null
    done
    no_change_since "$since"
    box pass
    within 40 "the picture to be whole" picture_whole
    within 40 "it to be ready" controller_ready
}

declare -A NONSENSE=(
    [endless]='cannot list .*: more than [0-9]* bytes'
    [deep]='cannot list .*: bad JSON at byte [0-9]*: nesting too deep'
    [wide]='cannot list .*: more than 200000 values'
    [slow-head]='no complete answer from .* within 5.000 s'
    [types]='cannot list .*: the answer is no list'
    [cut]='cannot list .*: .* closed the connection in mid-answer'
    [huge]='cannot list .*: more than [0-9]* bytes'
    [bomb]='cannot (list|read) .*: (bad JSON|.*makes no sense|.*more than)'
)
said_since_start() { tac "$WORK/controller.log" | sed '/headroom-controller starts/q' | grep -E -- "$1"; }
# At its most: 15 MB when nothing is wrong, and what one answer of 8 MiB may make of it.
memory_bounded() {
    local most
    most=$(awk '/^VmHWM/ {print $2}' "/proc/$CONTROLLER_PID/status")
    [ "$most" -lt 65536 ] || fail "it took $most kB"
}

@test "the token is exchanged and the old one revoked: the new one is used at once" {
    local since
    long_story
    pool_apply pods
    kubectl -n headroom-system create secret generic first 2>/dev/null
    kubectl -n headroom-system create secret generic second 2>/dev/null
    bound_token first
    sed -i "s|token: \"[^\"]*\"|tokenFile: \"$WORK/token\"|" "$CONTROLLER_KUBECONFIG"
    controller_behind_box
    bound_token second
    kubectl -n headroom-system delete secret first
    since=$(now_ns)
    within 60 "the log to say that the old one is refused" log_says 'does not accept the credentials'
    box cut
    pods_create token node-a1 8
    within 20 "the picture to be whole" picture_whole
    within 20 "the need to be met" attached_by_us $A1 1
    echo "# $((($(now_ns) - since) / 1000000)) ms after the revocation, which the server itself notices within 10 s" >&3
}

# A token of the controller's service account that ends with the secret NAME, in the file that the kubeconfig names.
bound_token() {
    kubectl -n headroom-system create token headroom-controller --bound-object-kind Secret --bound-object-name "$1" >"$WORK/token.new"
    mv "$WORK/token.new" "$WORK/token"
}

@test "half-open connections: what comes meanwhile is seen when their silence has lasted too long" {
    local begun
    long_story
    pool_apply pods
    controller_behind_box
    begun=$SECONDS
    box forget
    pods_create half node-a1 8
    kubectl label node node-a2 story=half >/dev/null
    within 100 "the picture to be whole" picture_whole
    within 20 "the need to be met" attached_by_us $A1 1
    echo "# $((SECONDS - begun)) s" >&3
    metric_is headroom_leader 1
}

# A need that was seen before the trouble and that EC2 did not let us meet: whoever acts on an old picture acts on this.
known_need() {
    sim_fault error CreateNetworkInterface controller '"all"' '"status":500,"code":"InternalError","message":"An internal error has occurred."'
    pods_create early node-a1 8
    within 30 "EC2 to refuse what the need takes" fault_met CreateNetworkInterface
}

@test "two minutes of a black hole: nothing is done on a picture that is too old, although EC2 would let us" {
    local since
    long_story
    sim_drain nodes-b 0
    pool_apply pods
    controller_behind_box --no-leader-elect
    known_need
    box hold
    pods_create late node-b1 8
    within 120 "the log to say that the picture is too old" log_says 'too old to act on'
    sleep 1 # what was under way
    since=$(now_ns)
    sim_faults_clear
    sleep 30
    no_change_since "$since"
    box pass
    within 90 "the picture to be whole" picture_whole
    within 30 "the new need to be met" attached_by_us $B1 1
    within 100 "the old need to be met" attached_by_us $A1 1
}

@test "etcd is gone for a minute: the Lease cannot be renewed, and nothing is done; afterwards it is" {
    local since etcd
    long_story
    sim_drain nodes-b 0
    pool_apply pods
    controller_behind_box
    known_need
    etcd=$(server_pid etcd)
    kill -STOP "$etcd"
    within 30 "the log to say that it leads no longer" log_says 'acting for it no longer'
    sleep 1 # what was under way
    since=$(now_ns)
    sim_faults_clear
    sleep 50
    no_change_since "$since"
    kill -CONT "$etcd"
    within 60 "the API server to answer again" api_answers
    pods_create late node-b1 8
    within 60 "the picture to be whole" picture_whole
    within 30 "the new need to be met" attached_by_us $B1 1
    within 100 "the old need to be met" attached_by_us $A1 1
}

@test "a way that cuts, delays and trickles: in the end the picture is whole, and each need is met once" {
    long_story
    sim_drain nodes-b 0
    pool_apply pods
    controller_behind_box
    box flaky/3000
    box cut
    pods_create cut node-a1 8
    within 60 "twenty cuts" jq_true '.cut >= 20' box_state
    box delay/400
    pods_create delayed node-a2 8
    within 60 "the need to be met" attached_by_us $A2 1
    box trickle/200
    box cut
    pods_create trickled node-b1 8
    within 90 "the need to be met" attached_by_us $B1 1
    box pass
    within 40 "the picture to be whole" picture_whole
    jq_true 'length == 3' our_enis
}

@test "ten minutes of kills, stops and pauses among two controllers and client-go: never do two act at once" {
    local rival
    long
    cluster_stop
    cluster_start lease
    pool_apply pods
    rival=$("$ROOT/hack/testenv/build" rival)
    run python3 "$BATS_TEST_DIRNAME/contend.py" --seconds "${HEADROOM_CONTEND_SECONDS:-600}" --seed "$RANDOM" --sim "$SIM" --work "$WORK" \
        --kubeconfig "$KUBECONFIG" --controller-kubeconfig "$TESTENV/controller.kubeconfig" \
        --controller "$ROOT/build/headroom-controller" --rival "$rival/contender"
    printf '# %s\n' "${lines[@]}" >&3
    [ "$status" -eq 0 ]
}
