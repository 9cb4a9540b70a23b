#!/usr/bin/env bats
# The container image: small, the same each time, its contents listed, and it works under a container runtime as the pod's
# securityContext wants it: as nobody, without a capability, on a root that cannot be written.

load lib

setup() {
    command -v buildah >/dev/null || skip "buildah is not installed"
    # As buildah and podman do for each layer; in a chroot, for one, / is nothing that could be mounted anew.
    unshare --mount --propagation unchanged mount --make-rprivate / 2>/dev/null || skip "this machine lets nobody change its mounts"
    work "$BATS_TEST_TMPDIR"
    cd "$ROOT" || return
}

teardown() {
    [ -z "${CONTAINER:-}" ] || podman_ rm --force --time 2 "$CONTAINER" >/dev/null 2>&1 || true
    cluster_stop
}

podman_() { podman --storage-driver vfs --root "$WORK/store" --runroot "$WORK/run" --cgroup-manager cgroupfs --runtime runc "$@"; }

ready() { curl -sS --fail-with-body --max-time 5 "$METRICS/readyz"; }

@test "the same commit gives the same image, under 25 MB" {
    local first
    hack/image/build headroom-controller:test
    first=$(<build/image/digest)
    cp build/image/sbom.spdx.json "$WORK/"
    hack/image/build headroom-controller:test
    [ "$(<build/image/digest)" = "$first" ]
    diff build/image/sbom.spdx.json "$WORK/sbom.spdx.json"
    [ "$(du -sb build/image/context/rootfs | cut -f1)" -lt 25000000 ]
    echo "# measured: image of $(du -sb build/image/context/rootfs | awk '{printf "%.1f", $1 / 1e6}') MB, archive of $(stat -c %s build/image/headroom-controller.tar | awk '{printf "%.1f", $1 / 1e6}') MB" >&3
}

@test "the list of what is in it is true" {
    local name sum package version
    [ -e build/image/sbom.spdx.json ]
    # Every file with its digest, and no other.
    diff <(cd build/image/context/rootfs && find . -type f -exec sha256sum {} + | awk '{print $2, $1}' | sort) \
        <(jq -r '.files[] | [.fileName, (.checksums[] | select(.algorithm == "SHA256") | .checksumValue)] | join(" ")' build/image/sbom.spdx.json | sort)
    # Every package as it is installed here.
    while IFS=$'\t' read -r package version; do
        [ "$(dpkg-query -W -f '${Version}\n' "$package" | head -n 1)" = "$version" ] || fail "$package is not $version"
    done < <(jq -r '.packages[] | select(.name != "headroom-controller") | [.name, .versionInfo] | @tsv' build/image/sbom.spdx.json)
    jq -e '[.packages[].name] | contains(["libc6", "libcurl4", "libssl3", "libwebsockets17", "ca-certificates", "headroom-controller"])' build/image/sbom.spdx.json
    # Nothing to start but the program.
    [ "$(find build/image/context/rootfs -type f -perm /111 ! -name '*.so*')" = build/image/context/rootfs/usr/bin/headroom-controller ]
}

@test "podman and runc run it as nobody, without capabilities, on a root that it cannot write, and it plans" {
    local pid port
    command -v podman >/dev/null && command -v runc >/dev/null || skip "podman or runc is not installed"
    cluster_start zones WARM_ENI_TARGET=0
    pool_apply pods
    kubectl --kubeconfig "$TESTENV/controller.kubeconfig" config view --raw --flatten >"$WORK/kubeconfig"
    chmod 644 "$WORK/kubeconfig"
    podman_ load --quiet --input build/image/headroom-controller.tar
    port=$(free_port)
    METRICS=http://127.0.0.1:$port
    # As in manifests/base/20-deployment.yaml. The limits are for a root that may not raise them.
    CONTAINER=headroom-$$
    podman_ run --detach --name "$CONTAINER" --network host --read-only --read-only-tmpfs=false --cap-drop all \
        --security-opt no-new-privileges --ulimit nofile=1024:1024 --ulimit nproc=1024:1024 \
        --volume "$WORK/kubeconfig:/kubeconfig:ro" --env KUBECONFIG=/kubeconfig --env AWS_REGION=us-west-2 --env "AWS_ENDPOINT_URL=$SIM" \
        --env AWS_EC2_METADATA_DISABLED=true --env AWS_ACCESS_KEY_ID=AKIACONTROLLEREXAMPLE \
        --env AWS_SECRET_ACCESS_KEY=controller+secret/for/tests/EXAMPLEKEY localhost/headroom-controller:test "--listen=127.0.0.1:$port"
    within 30 "the container to be ready" ready || { podman_ logs "$CONTAINER" | tail -n 20; false; }
    pid=$(podman_ inspect --format '{{.State.Pid}}' "$CONTAINER")
    grep -qP '^Uid:\t65532\t65532\t65532\t65532$' "/proc/$pid/status"
    grep -qP '^CapEff:\t0{16}$' "/proc/$pid/status"
    grep -qP '^NoNewPrivs:\t1$' "/proc/$pid/status"
    grep -qP '^Seccomp:\t2$' "/proc/$pid/status"
    grep -qE '^[0-9]+ [0-9]+ [^ ]+ [^ ]+ / ro[, ]' "/proc/$pid/mountinfo"
    # It does its work there, too.
    sim_drain nodes-a 0
    pods_create web node-a1 8
    within 60 "an ENI to be attached" attached_by_us i-0a000000000000001 1
}
