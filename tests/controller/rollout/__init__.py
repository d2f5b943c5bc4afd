"""The rollout of the flag on the real cluster, under traffic."""
