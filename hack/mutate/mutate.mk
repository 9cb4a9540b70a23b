# Do the planner's tests notice when the planner is wrong? N=500 mutants by SEED; N=all: every one.
.PHONY: mutate
mutate: ## N=500 SEED=1 [IN=choose.c]: break the planner in small ways and count which its tests notice
	@hack/mutate/mutate $(if $(filter all,$(N)),--all,--sample $(or $(N),500)) --seed $(or $(SEED),1) $(IN)
