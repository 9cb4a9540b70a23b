# What one event costs the planner: nanoseconds at 1,000, 10,000 and 100,000 nodes, and memory.
.PHONY: bench-plan
bench-plan: $(BIN)/plan-bench ## measure the planner: nanoseconds an event, memory, by cluster size
	$(Q)$<

$(BIN)/plan-bench: $(OBJ)/bench/plan_bench.o $(LIB)
	$(say) LINK $@
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS)
$(OBJ)/bench/%.o: hack/bench/%.c $(OBJ)/flags
	$(compile)

# The simulated day of 5,000 nodes: what waits, what is held, what it costs; some four minutes of one core.
.PHONY: bench-day
bench-day: $(BIN)/headroom ## simulate a day of 5,000 nodes, with and without Headroom; ARGS="--scale 0.1"
	$(Q)hack/bench/day $(ARGS)
