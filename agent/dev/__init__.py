"""Everything on one machine: what `roomcast dev` and the tests start beside the agent."""
