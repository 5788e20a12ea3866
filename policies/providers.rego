# Every provider proves who we are, and nothing leaves for a public host unencrypted.
package moorline.providers

# Bedrock signs with the task's role; it has no key to refer to.
without_key := {"bedrock"}

deny contains message if {
	some name, provider in input.document.providers
	not provider.api_key
	not provider.kind in without_key
	not is_private(provider)
	message := sprintf("provider %v has no api_key: name a reference such as env:NAME", [name])
}

deny contains message if {
	some name, provider in input.document.providers
	startswith(lower(provider.base_url), "http://")
	not is_private(provider)
	message := sprintf("provider %v is reached over http://: a public host needs https://", [name])
}

# The host of a URL: what follows the scheme and any user, up to the port or the path.
host(url) := parts[1] if {
	pattern := `^[a-z]+://(?:[^/?#]*@)?(\[[^\]]*\]|[^/:?#]+)`
	parts := regex.find_all_string_submatch_n(pattern, lower(url), 1)[0]
}

# A server of our own: loopback, a private network, a name without a dot, or a name that no public DNS has.
is_private(provider) if {
	name := host(provider.base_url)
	regex.match(`^(localhost|127\.[0-9.]+|\[::1\]|10\.[0-9.]+|192\.168\.[0-9.]+|172\.(1[6-9]|2[0-9]|3[01])\.[0-9.]+|[a-z0-9-]+|.+\.(internal|local))$`, name)
}
