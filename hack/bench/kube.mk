# The Kubernetes side at 5,000 nodes and 150,000 pods, against curl and client-go, in one run: ten minutes or more, and some 16 GB of memory.
# Figures and chart are left in build/bench/; bench-docs makes the chart the one of docs/performance.md.
.PHONY: bench bench-docs
bench: all ## measure the Kubernetes side against curl and client-go; ARGS="--rounds 5 --seconds 0"
	$(Q)hack/bench/run $(ARGS)
	$(Q)hack/bench/chart build/bench/kube.json >build/bench/kube.svg

bench-docs: ## the chart of the last `make bench` becomes that of docs/performance.md
	$(Q)cp build/bench/kube.svg docs/performance.svg
