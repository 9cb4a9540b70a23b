# Other people's judgement of the manifests: kubeconform, and checkov, whose findings docs/security.md answers.
.PHONY: scan
scan:
	@hack/scan/run
