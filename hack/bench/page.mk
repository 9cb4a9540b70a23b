# The pages that hack/bench/page opens.
.PHONY: page-viewers
page-viewers: $(BIN)/page-viewers
$(BIN)/page-viewers: $(OBJ)/bench/viewers.o
	$(say) LINK $@
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^
