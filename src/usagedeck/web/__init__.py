"""The doors that speak HTTP. Each turns a request into a call of a rule and its answer into bytes; none knows another."""
