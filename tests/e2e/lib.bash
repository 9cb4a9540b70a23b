# What the e2e files share. Servers of Kubernetes: setup_suite.bash. Everything that a test starts dies with it.

fail() {
    printf '%s\n' "$*" >&2
    return 1
}

e2e_setup_file() {
    :
}
