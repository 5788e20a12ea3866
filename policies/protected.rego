# A plan does not take away what requests come in through, or what guards it.
package moorline.protected

protected := {
	"aws_ecs_cluster",
	"aws_ecs_service",
	"aws_lb",
	"aws_lb_listener",
	"aws_wafv2_web_acl",
	"aws_wafv2_web_acl_association",
	"openai_gateway",
}

losing := {"delete", "replace", "forget", "unknown"}

deny contains message if {
	some change in input.plan.changes
	change.resource_type in protected
	change.action in losing
	message := sprintf("the plan would %v %v", [change.action, change.address])
}
