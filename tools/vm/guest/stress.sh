# What the stress cases share. Sourced after lib.sh. STRESS_SEED, from which all random choices come, and
# STRESS_SECONDS are given by test:stress; else they are those of the short form.

STRESS_SEED=${STRESS_SEED:-1}
STRESS_SECONDS=${STRESS_SECONDS:-${1:-40}}
echo "seed $STRESS_SEED, $STRESS_SECONDS s"
