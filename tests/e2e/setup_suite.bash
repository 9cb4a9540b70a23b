# One real etcd and API server for all that bats runs at once, so that `bats tests/e2e/attach.bats` works alone. They end when bats
# ends, in whatever way. TESTENV names a folder of `hack/testenv/up`, to use servers that run already.

setup_suite() {
    local here
    here=$(cd "$(dirname "${BATS_TEST_DIRNAME:?}/.")" && pwd)
    ROOT=$(cd "$here/../.." && pwd)
    # shellcheck source=hack/env
    . "$ROOT/hack/env"
    export ROOT
    if [ -z "${TESTENV:-}" ]; then
        export TESTENV=$BATS_SUITE_TMPDIR/testenv
        TESTENV_OWN=1
        "$ROOT/hack/testenv/up" "$TESTENV" --watch $$ 2>&1 3>&-
    fi
    export KUBECONFIG=$TESTENV/kubeconfig
    PATH=$TESTENV/bin:$PATH
    # As a user does it. No kubelet runs the Deployment's pod: the controller that a test starts stands for it.
    (cd "$ROOT" && kubectl apply -f crds/ -f manifests/)
    kubectl wait --for=condition=Established --timeout=60s crd/subnetpools.headroom.dev
}

teardown_suite() {
    [ -z "${TESTENV_OWN:-}" ] || "$ROOT/hack/testenv/down" "$TESTENV"
}
