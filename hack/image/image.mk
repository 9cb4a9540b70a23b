# The controller's container image, without a daemon and without pulling anything; needs buildah.
.PHONY: image
image: $(BIN)/headroom-controller
	@hack/image/build
