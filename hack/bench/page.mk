# The pages that hack/bench/page opens.
.PHONY: page-viewers
page-viewers: $(BIN)/page-viewers
$(BIN)/page-viewers: $(OBJ)/bench/viewers.o
	$(say) LINK $@
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^

# What the page costs control, and how soon a drain shows in Chromium, at 5,000 nodes: three minutes or more, and some 16 GB of memory.
.PHONY: bench-page
bench-page: all page-viewers ## measure the live page; ARGS="--rounds 6 --no-drain"
	$(Q). hack/env && $$HEADROOM_VENV/bin/python3 hack/bench/page $(ARGS)
