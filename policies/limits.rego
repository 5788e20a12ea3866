# No route can be asked without end, and in production no key can spend without end.
package moorline.limits

deny contains message if {
	some route in input.document.routes
	count([limit | some limit in object.get(route, "limits", []); limit.requests]) == 0
	message := sprintf("route %v has no request limit", [route.path])
}

deny contains message if {
	startswith(input.environment, "prod")
	some key in input.document.keys
	count([limit | some limit in object.get(key, "limits", []); limit.budget]) == 0
	message := sprintf("key %v has no budget: in production each key needs one", [key.name])
}
