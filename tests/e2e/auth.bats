#!/usr/bin/env bats
# How a kubeconfig leads to a real API server and convinces it, and what a user is told when it does not. What kubectl takes, the
# controller takes: most stories ask both with one file.
#
# HEADROOM_LONG=1 adds those that take more than a few seconds.

load lib
load kube

SA=system:serviceaccount:headroom-system:headroom-controller

setup_file() {
    work "$BATS_FILE_TMPDIR"
    kube_clean
    kubectl create -f - <<<'{"apiVersion":"v1","kind":"Node","metadata":{"name":"first"}}'
    export SERVER CA=$TESTENV/certs/apiserver.crt CONTROLLER_EC2=http://127.0.0.1:1 TOKEN
    SERVER=$(sed -n 's|.*server: "\([^"]*\)".*|\1|p' "$TESTENV/controller.kubeconfig")
    TOKEN=$(sed -n 's|.*token: "\([^"]*\)".*|\1|p' "$TESTENV/controller.kubeconfig")
    cp "$TESTENV/client-ca.crt" "$WORK/client-ca.crt"
    export WORK
}

teardown_file() {
    cp "$WORK/client-ca.crt" "$TESTENV/client-ca.crt"
    kube_clean
}

setup() {
    work "$BATS_TEST_TMPDIR"
    cd "$WORK"
}

teardown() {
    controller_stop
    box_stop
}

# config FILE USER [CLUSTER]: a kubeconfig in the flow style that JSON has; both are YAML
config() {
    cat >"$1" <<YAML
apiVersion: v1
kind: Config
current-context: x
clusters: [{name: c, cluster: {${3:-server: "$SERVER", certificate-authority: "$CA"}}}]
users: [{name: u, user: {$2}}]
contexts: [{name: x, context: {cluster: c, user: u}}]
YAML
}

# client AUTHORITY NAME [USER]: NAME.crt and NAME.key of that user, signed by AUTHORITY.crt; the files appear at once
client() {
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/O=system:serviceaccounts/CN=${3:-$SA}" \
        -keyout "$2.key.new" -out "$2.csr" 2>/dev/null
    openssl x509 -req -in "$2.csr" -CA "$1.crt" -CAkey "$1.key" -set_serial 0x"$(openssl rand -hex 8)" -days 2 -out "$2.crt.new" 2>/dev/null
    mv "$2.key.new" "$2.key"
    mv "$2.crt.new" "$2.crt"
}

inline() { base64 -w 0 "$1"; }

# once FILE [FLAG..]: the controller reads the cluster and prints its plan
once() {
    local CONTROLLER_KUBECONFIG=$1
    shift
    controller_command --once "$@"
    "${COMMAND[@]}" 2>&1
}

# both FILE [USER]: kubectl and the controller take it, and to the server they are that user
both() {
    local user
    user=$(KUBECONFIG=$1 kubectl auth whoami -o jsonpath='{.status.userInfo.username}')
    [ "$user" = "${2:-$SA}" ] || fail "kubectl is $user"
    once "$1" | grep -q '^first ' || fail "the controller does not see the node: $(once "$1")"
}

# neither FILE WHAT: both refuse it, and the controller says WHAT, and nothing twice
neither() {
    local CONTROLLER_KUBECONFIG=$1 pid asked
    controller_command --once --timeout=20s --log-format=text
    "${COMMAND[@]}" >said 2>&1 &
    pid=$!
    kubectl --kubeconfig "$1" get nodes >kubectl.said 2>&1 && fail "kubectl takes it"
    for ((asked = 0; asked < 400; asked++)); do
        ! grep -qE -- "$2" said || break
        kill -0 $pid 2>/dev/null || break
        sleep 0.05
    done
    kill $pid 2>/dev/null || true
    not wait $pid || fail "the controller takes it"
    grep -qE -- "$2" said || fail "it says: $(cat said)"
    [ -z "$(sed 's/; retrying in .*//' said | sort | uniq -d)" ] || fail "it says it more than once: $(cat said)"
}

# users FILE: `headroom`, too, is known to the server by it, which says that this account may do no more than the controller
users() { KUBECONFIG=$1 not "$ROOT/build/headroom" events 2>&1 | grep -F "forbidden: User \"$SA\" cannot list resource \"events\""; }

@test "a client certificate in files beside the kubeconfig, inline, and from a list of files of which the first one counts" {
    client "$TESTENV/client-ca" me
    config files 'client-certificate: me.crt, client-key: me.key'
    both files
    config inline "client-certificate-data: $(inline me.crt), client-key-data: $(inline me.key)" \
        "server: '$SERVER', certificate-authority-data: $(inline "$CA")"
    both inline
    # As `kubectl config` writes it, in its order and style.
    kubectl config --kubeconfig one set-context x --cluster=c --user=u
    kubectl config --kubeconfig one use-context x
    kubectl config --kubeconfig two set-credentials u --token=no-such-token
    kubectl config --kubeconfig two set-cluster c --server="$SERVER" --certificate-authority="$CA"
    config three 'client-certificate: me.crt, client-key: me.key' 'server: "https://127.0.0.1:1"'
    both "$WORK/one:$WORK/gone:$WORK/files:$WORK/two:$WORK/three"
    neither two 'two: no current-context; choose one with .kubectl config use-context'
    openssl x509 -req -in me.csr -CA "$TESTENV/client-ca.crt" -CAkey "$TESTENV/client-ca.key" -days -1 -out me.crt 2>/dev/null
    neither files 'does not accept the credentials of context "x" \(client certificate me.crt\); they may have expired'
    openssl ecparam -name prime256v1 -genkey -noout -out me.key
    neither files 'the client certificate or key for https://127.0.0.1:[0-9]* cannot be used'
    rm me.key
    neither files 'the client certificate or key for https://127.0.0.1:[0-9]* cannot be used'
}

@test "the server is checked: by its authority, by its name, or not at all only where the kubeconfig says so" {
    local user="token: '$TOKEN'"
    config name "$user" "server: '$SERVER', certificate-authority: '$CA', tls-server-name: kubernetes.default.svc"
    both name
    config name "$user" "server: '$SERVER', certificate-authority: '$CA', tls-server-name: other.example"
    neither name 'the certificate of https://127.0.0.1:[0-9]* is for another name: .*other.example.*; use a name that it holds, or set tls-server-name'
    config insecure "$user" "server: '$SERVER', insecure-skip-tls-verify: true"
    both insecure
    config insecure "$user" "server: '$SERVER', insecure-skip-tls-verify: true, certificate-authority: '$CA'"
    neither insecure 'insecure: cluster: insecure-skip-tls-verify cannot be true next to a certificate-authority; remove one of them'
    config other "$user" "server: '$SERVER', certificate-authority: '$TESTENV/client-ca.crt'"
    neither other 'the certificate of https://127.0.0.1:[0-9]* is not trusted: .*; check the certificate authority that is configured for it'
    config other "$user" "server: '$SERVER'"
    neither other 'is not trusted: .*; check the certificate authority'
    config other "$user" "server: '$SERVER', certificate-authority: gone.crt"
    neither other 'the certificate authority for https://127.0.0.1:[0-9]* cannot be read: .*gone.crt'
}

# proxy_start [FLAG..]: its port is in PROXY
proxy_start() {
    PROXY=$(free_port)
    launch "proxy-$PROXY" python3 "$BATS_TEST_DIRNAME/proxy.py" "$PROXY" "$@"
    within 10 "the proxy to stand" grep -q ready "proxy-$PROXY.log"
}

# through HOW URL: kubectl and the controller reach the server by that proxy, and the proxy heard HOW from both of them alone
through() {
    local before
    config proxied "token: '$TOKEN'" "server: '$SERVER', certificate-authority: '$CA', proxy-url: '$2'"
    before=$(wc -l <"proxy-$PROXY.log")
    both proxied
    [ "$(tail -n +$((before + 1)) "proxy-$PROXY.log" | sort | uniq -c | awk '$1 > 2 {print $2, $3}')" = "$1 ${SERVER#https://}" ]
}

@test "a proxy: CONNECT, with a password, by TLS, and SOCKS5" {
    proxy_start
    NO_PROXY=127.0.0.1 through connect "http://127.0.0.1:$PROXY"
    through address "socks5://127.0.0.1:$PROXY"
    kill "$LAUNCHED"
    neither proxied "the proxy socks5://127.0.0.1:$PROXY on the way to $SERVER: .*"
    proxy_start --user me:secret
    through connect "http://me:secret@127.0.0.1:$PROXY"
    config proxied "token: '$TOKEN'" "server: '$SERVER', certificate-authority: '$CA', proxy-url: 'http://127.0.0.1:$PROXY'"
    neither proxied "the proxy http://127.0.0.1:$PROXY on the way to $SERVER wants to know who asks; put a user and a password into its URL"
    cat "$TESTENV/certs/apiserver.key" "$CA" >server.pem
    proxy_start --cert server.pem
    through connect "https://127.0.0.1:$PROXY"
    config proxied "token: '$TOKEN'" "server: '$SERVER', certificate-authority: '$CA', proxy-url: '127.0.0.1:$PROXY'"
    neither proxied 'cluster: proxy-url must be an http://, https:// or socks5:// address'
}

# plugin NAME COMMAND..: an exec plugin of that name; it notes what it was told in NAME.info
plugin() {
    local name=$1
    shift
    printf '#!/bin/sh\nprintf %%s "$KUBERNETES_EXEC_INFO" >%q/%s.info\necho >>%q/%s.runs\n%s\n' "$PWD" "$name" "$PWD" "$name" "$*" >"$name"
    chmod +x "$name"
}

# credential VERSION FIELDS: what a plugin prints
credential() {
    printf "echo '{\"kind\":\"ExecCredential\",\"apiVersion\":\"client.authentication.k8s.io/%s\",\"status\":{%s}}'" "$1" "$2"
}

# exec_config FILE VERSION [MORE]: runs the plugin FILE.plugin
exec_config() {
    config "$1" "exec: {apiVersion: client.authentication.k8s.io/$2, command: ./$1.plugin, interactiveMode: Never${3:+, $3}}" \
        "server: '$SERVER', certificate-authority: '$CA', extensions: [{name: client.authentication.k8s.io/exec, extension: {audience: [eks, 1]}}]"
}

@test "exec plugins of v1 and v1beta1: a token, or a client certificate; they are told what kubectl tells them" {
    # As `aws eks update-kubeconfig` and kubectl write it.
    plugin aws "[ \"\$1 \$2 \$AWS_PROFILE\" = 'eks get-token prod' ] && $(credential v1beta1 "\"token\":\"$TOKEN\",\"expirationTimestamp\":\"2100-01-01T00:00:00Z\"")"
    config eks 'exec: {apiVersion: client.authentication.k8s.io/v1beta1, command: aws, args: [eks, get-token], env: [{name: AWS_PROFILE, value: prod}],
        installHint: null, interactiveMode: IfAvailable, provideClusterInfo: false}'
    PATH=$PWD:$PATH both eks
    exec_config told v1 'provideClusterInfo: true, args: null, env: null'
    plugin told.plugin "$(credential v1 "\"token\":\"$TOKEN\"")"
    kubectl --kubeconfig told get nodes
    jq -S . told.plugin.info >kubectl.info
    rm told.plugin.info
    once told | grep '^first '
    diff <(jq -S . told.plugin.info) kubectl.info
    jq -e '.spec.cluster | (.["certificate-authority-data"] | @base64d | contains("BEGIN CERT")) and .config.audience == ["eks", 1]' kubectl.info
    client "$TESTENV/client-ca" me
    exec_config cert v1
    plugin cert.plugin "$(credential v1 "$(jq -cnr --rawfile c me.crt --rawfile k me.key \
        '"\"clientCertificateData\":\($c | tojson),\"clientKeyData\":\($k | tojson)"' | sed 's/\\n/\\\\n/g')")" # echo takes one
    both cert
    # The commands of users ask as the controller does.
    users told
    users cert
    # Another way to convince the server makes the plugin needless, as with kubectl.
    rm told.plugin.runs
    sed -i "s|user: {exec|user: {token: '$TOKEN', exec|" told
    both told
    [ ! -e told.plugin.runs ]
}

@test "an exec plugin that is missing, fails, or prints nonsense, too much, nothing: each is named, and nothing of it is believed" {
    exec_config bad v1 'installHint: "get it from example.org"'
    neither bad 'credential plugin "./bad.plugin": cannot run ./bad.plugin: .* \(get it from example.org\)'
    plugin bad.plugin 'echo "the session has expired, run: sso login" >&2; exit 3'
    neither bad 'credential plugin "./bad.plugin": ./bad.plugin ended with status 3: the session has expired, run: sso login'
    plugin bad.plugin 'echo "Enter your code:"'
    neither bad 'credential plugin "./bad.plugin": it printed no ExecCredential: bad JSON at byte '
    plugin bad.plugin true
    neither bad 'it printed nothing'
    plugin bad.plugin "$(credential v1beta1 "\"token\":\"$TOKEN\"")"
    neither bad 'it answered as "client.authentication.k8s.io/v1beta1", not as client.authentication.k8s.io/v1, which the kubeconfig asks for'
    plugin bad.plugin "$(credential v1 "\"token\":\"$TOKEN\",\"expirationTimestamp\":\"tomorrow\"")"
    neither bad "its answer's expirationTimestamp \"tomorrow\" is no time"
    plugin bad.plugin "$(credential v1 '"token":"wrong"')"
    neither bad 'does not accept the credentials of context "x" \(credential plugin "./bad.plugin"\); they may have expired'
    sed -i 's/Never/Always/' bad
    neither bad 'user.exec: interactiveMode is Always, and there is no terminal to ask at; use IfAvailable or Never'
    sed -i 's/Always/Never/' bad
    # kubectl would take it all.
    plugin bad.plugin "exec head -c 2G /dev/zero $WORK"
    once bad --timeout=1s | grep 'credential plugin "./bad.plugin": ./bad.plugin printed more than 262144 bytes'
    ! pgrep -f "$WORK"
}

# running FILE: the controller, with the Lease, and a picture of its own
running() {
    CONTROLLER_KUBECONFIG=$1 controller_start
    within 10 "the picture to be whole" log_says 'first picture of the cluster is whole'
}

# sees NAME: a node that is made now comes by the watch
sees() {
    kubectl create -f - <<<"{\"apiVersion\":\"v1\",\"kind\":\"Node\",\"metadata\":{\"name\":\"$1\"}}" >/dev/null
    within 15 "node $1 to be seen" metric_is 'headroom_watched_objects{kind="Node"}' "$(kubectl get nodes -o name | wc -l)"
}

runs() { [ "$(wc -l <"$1.plugin.runs")" -ge "$2" ]; }

long() { [ -n "${HEADROOM_LONG:-}" ] || skip "takes long; set HEADROOM_LONG=1"; }

@test "an exec plugin's credential is renewed before it ends; while that fails, the old one serves" {
    local runs
    long
    exec_config short v1beta1
    plugin short.plugin "[ ! -e broken ] || exit 1; $(credential v1beta1 "\"token\":\"$TOKEN\",\"expirationTimestamp\":\"'\$(date -u -d +2seconds +%FT%TZ)'\"")"
    running short
    within 10 "it to be asked again" runs short 3
    touch broken
    runs=$(wc -l <short.plugin.runs)
    within 10 "it to be asked in vain" log_says 'short.plugin ended with status 1'
    sees renewed
    rm broken
    within 20 "it to be asked again" runs short $((runs + 3))
    not log_says 'does not accept'
    # One that hangs is ended after a minute, with all that it started.
    plugin short.plugin "sleep 1000 $WORK & sleep 1001"
    within 100 "the log to say it" log_says 'credential plugin .*short.plugin.*: ./short.plugin did not end within 60.000 s'
    ! pgrep -f "sleep 1001"
    ! pgrep -f "sleep 1000"
    plugin short.plugin "$(credential v1beta1 "\"token\":\"$TOKEN\"")"
    sees recovered
}

@test "a kubeconfig may say as whom to act" {
    local admin
    admin=$(sed -n 's|.*token: "\([^"]*\)".*|\1|p' "$KUBECONFIG")
    config as "token: '$admin', as: $SA, as-groups: [system:authenticated], as-user-extra: {example.org/why: [because]}"
    both as
    config as "token: '$admin', as: $SA, as-uid: '7', as-groups: [system:authenticated]"
    both as
    [ "$(KUBECONFIG=as kubectl auth whoami -o jsonpath='{.status.userInfo.uid}')" = 7 ]
    users as
    config as "token: '$admin', as: nobody"
    neither as 'not allowed to .*: RBAC must allow .*User "nobody" cannot'
    config as "token: '$admin', as-groups: [system:masters]"
    neither as 'user: as is missing: as-uid, as-groups and as-user-extra need it'
}

@test "client certificates are replaced while it runs, and their authority with them: it goes on with the new ones, watches included" {
    authority() { openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$1" -days 2 -keyout "$1.key" -out "$1.crt" 2>/dev/null; }
    client "$TESTENV/client-ca" me
    box_start
    config files "client-certificate: $WORK/me.crt, client-key: $WORK/me.key" \
        "server: '$(sed -n 's|.*server: "\([^"]*\)".*|\1|p' "$CONTROLLER_KUBECONFIG")', certificate-authority: '$CA'"
    running files
    # First both authorities are known, then the new one alone. Every watch has to begin anew with the new certificate.
    authority new
    cat new.crt "$TESTENV/client-ca.crt" >both.crt
    cp both.crt "$TESTENV/client-ca.crt"
    client new me
    cp new.crt "$TESTENV/client-ca.crt"
    box cut
    sees new
    within 15 "the Lease to be renewed by the new certificate" renewed_since "$(date +%s)"
    [ -n "${HEADROOM_LONG:-}" ] || return 0
    # Now the server knows neither, until a third one comes.
    authority third
    cp third.crt "$TESTENV/client-ca.crt"
    within 15 "the log to say it" log_says "does not accept the credentials of context .*client certificate $WORK/me.crt.*; they may have expired"
    client third me
    box cut
    sees third
    within 15 "the Lease to be renewed by the third certificate" renewed_since "$(date +%s)"
    [ "$(grep -c 'does not accept' controller.log)" -le 3 ]
}

renewed_since() {
    local at
    at=$(kubectl -n headroom-system get lease -o json | jq -r '.items[0].spec.renewTime | sub("\\..*"; "Z") | fromdate')
    [ "$at" -gt "$1" ]
}

# What kubelet mounts into a pod: files that are links into a folder, which is exchanged as a whole.
account() { # TOKEN AUTHORITY
    mkdir -p account "account/..$1"
    printf %s "$1" >"account/..$1/token"
    cp "$2" "account/..$1/ca.crt"
    ln -sfn "..$1" account/..new
    mv -T account/..new account/..data
    ln -sf ..data/token ..data/ca.crt account/
}

# In $IN_POD: what a command is put behind so that it sees the account where a pod has it
in_pod() {
    # shellcheck disable=SC2016
    IN_POD=(unshare --mount sh -ec 'mount -t tmpfs none /run
        mkdir -p /run/secrets/kubernetes.io/serviceaccount
        mount --bind "$0/account" /run/secrets/kubernetes.io/serviceaccount
        exec "$@"' "$WORK")
}

@test "in a pod: a token that is refused is read again, and a new authority of the server is trusted when kubelet has written it" {
    local port at
    mkdir account
    in_pod
    "${IN_POD[@]}" true 2>/dev/null || skip "nobody may mount anything here"
    box_start tls
    account wrong box-ca.pem
    port=$(free_port)
    METRICS=http://127.0.0.1:$port
    at=$(sed -n 's|.*server: "https://\([^"]*\)".*|\1|p' "$CONTROLLER_KUBECONFIG")
    controller_command "--listen=127.0.0.1:$port"
    COMMAND=(env -i "KUBERNETES_SERVICE_PORT=${at#*:}" "${COMMAND[@]:2}")
    launch controller "${IN_POD[@]}" "${COMMAND[@]/KUBECONFIG=*/KUBERNETES_SERVICE_HOST=${at%:*}}"
    CONTROLLER_PID=$LAUNCHED
    within 10 "the log to say it" log_says 'does not accept the credentials of context .*in-cluster.* \(token file /var/run/secrets/kubernetes.io/serviceaccount/token\)'
    account "$TOKEN" box-ca.pem
    within 10 "the picture to be whole" log_says 'first picture of the cluster is whole'
    authority new-ca
    certificate new-ca
    box reload
    box cut
    within 10 "the log to say it" log_says 'the certificate of .* is not trusted: .*'
    account "$TOKEN" new-ca.pem
    sees afterwards
}
