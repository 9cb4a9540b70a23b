#!/usr/bin/env bats
# The container image: small, the same each time, and it works as nobody on a root that cannot be written.
# No container runtime is asked for: what one does for the pod's securityContext (another root, read-only; another user; no
# capabilities) is done here by hand.

load lib

setup() {
    command -v buildah >/dev/null || skip "buildah is not installed"
    work "$BATS_TEST_TMPDIR"
    cd "$ROOT" || return
}

teardown() {
    cluster_stop
}

build() { hack/image/build headroom-controller:test; }

image() { buildah --storage-driver vfs --root "$WORK/store" --runroot "$WORK/run" "$@"; }

# in_image COMMAND..: in the folder $IMAGE, of which nothing but /tmp can be written; its environment is the caller's
in_image() {
    # shellcheck disable=SC2016
    unshare --mount sh -euc '
        root=$1 kubeconfig=$2
        shift 2
        mount --bind "$root" "$root"
        mount -t tmpfs tmpfs "$root/tmp"
        cp "$kubeconfig" "$root/tmp/kubeconfig"
        chown 65532 "$root/tmp/kubeconfig"
        mount -o remount,ro,bind "$root" "$root"
        exec setpriv --no-new-privs chroot --userspec=65532:65532 --groups= "$root" "$@"
    ' sh "$IMAGE" "$WORK/kubeconfig" "$@"
}

@test "the same commit gives the same image, under 25 MB" {
    local first
    build
    first=$(<build/image/digest)
    build
    [ "$(<build/image/digest)" = "$first" ]
    [ "$(du -sb build/image/context/rootfs | cut -f1)" -lt 25000000 ]
    echo "# measured: image of $(du -sb build/image/context/rootfs | awk '{printf "%.1f", $1 / 1e6}') MB, archive of $(stat -c %s build/image/headroom-controller.tar | awk '{printf "%.1f", $1 / 1e6}') MB" >&3
}

@test "it plans in a cluster: not as root, and on a root that it cannot write" {
    local container
    build
    container=$(image from "oci-archive:$ROOT/build/image/headroom-controller.tar")
    image inspect "$container" | jq -e '.OCIv1.config | .User == "65532:65532" and .Entrypoint == ["/usr/bin/headroom-controller"]'
    IMAGE=$(image mount "$container")
    # Nothing to start but the program.
    [ "$(find "$IMAGE" -type f -perm /111 ! -name '*.so*' | sed "s|^$IMAGE||")" = /usr/bin/headroom-controller ]

    cluster_start zones WARM_ENI_TARGET=0
    pool_apply pods
    kubectl --kubeconfig "$TESTENV/controller.kubeconfig" config view --raw --flatten >"$WORK/kubeconfig"
    env -i "PATH=$PATH" AWS_REGION=us-west-2 "AWS_ENDPOINT_URL=$SIM" AWS_EC2_METADATA_DISABLED=true KUBECONFIG=/tmp/kubeconfig \
        AWS_ACCESS_KEY_ID=AKIACONTROLLEREXAMPLE AWS_SECRET_ACCESS_KEY=controller+secret/for/tests/EXAMPLEKEY \
        "IMAGE=$IMAGE" "WORK=$WORK" bash -c "$(declare -f in_image)"'; in_image "$@"' bash \
        /usr/bin/headroom-controller --once --dry-run -o json >"$WORK/plan.json" 2>"$WORK/controller.log" || fail "$(cat "$WORK/controller.log")"
    # What only EC2 and Kubernetes together can have told.
    jq -e '[.. | objects | select(.id? == "subnet-0a00000000000001a" and .total? > 0)] | length > 0' "$WORK/plan.json" >/dev/null ||
        fail "$(jq -c . "$WORK/plan.json")"
}
