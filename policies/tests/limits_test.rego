package moorline.limits_test

import data.moorline.limits

denials(environment, document) := found if {
	found := limits.deny with input as {"environment": environment, "document": document}
}

test_a_route_with_a_request_limit_passes if {
	denials("dev", {"routes": [{"path": "/v1/*", "limits": [{"requests": 1000, "window": "1h"}]}]}) == set()
}

test_a_route_without_limits_is_denied if {
	denials("dev", {"routes": [{"path": "/v1/*"}]}) == {"route /v1/* has no request limit"}
}

test_a_token_limit_is_no_request_limit if {
	count(denials("dev", {"routes": [{"path": "/v1/*", "limits": [{"tokens": 1000, "window": "1h"}]}]})) == 1
}

test_a_key_without_a_budget_is_denied_in_production if {
	denials("prod", {"keys": [{"name": "search"}]}) == {"key search has no budget: in production each key needs one"}
}

test_a_key_with_a_budget_passes_in_production if {
	denials("prod", {"keys": [{"name": "search", "limits": [{"budget": 200.0, "window": "1d"}]}]}) == set()
}

test_elsewhere_a_key_needs_no_budget if {
	denials("staging", {"keys": [{"name": "search"}]}) == set()
}
