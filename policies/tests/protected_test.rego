package moorline.protected_test

import data.moorline.protected

denials(changes) := found if {
	found := protected.deny with input as {"plan": {"changes": changes}}
}

test_a_change_in_place_passes if {
	denials([{"address": "openai_gateway.main", "resource_type": "openai_gateway", "action": "update"}]) == set()
}

test_losing_the_gateway_is_denied if {
	every action in ["delete", "replace", "forget", "unknown"] {
		count(denials([{"address": "openai_gateway.main", "resource_type": "openai_gateway", "action": action}])) == 1
	}
}

test_losing_the_firewall_is_denied if {
	denials([{"address": "aws_wafv2_web_acl.main", "resource_type": "aws_wafv2_web_acl", "action": "delete"}]) == {"the plan would delete aws_wafv2_web_acl.main"}
}

test_losing_something_else_passes if {
	denials([{"address": "aws_cloudwatch_log_group.old", "resource_type": "aws_cloudwatch_log_group", "action": "delete"}]) == set()
}

test_without_a_plan_there_is_nothing_to_lose if {
	count(protected.deny) == 0 with input as {"plan": null}
}
