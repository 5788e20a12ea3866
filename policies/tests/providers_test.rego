package moorline.providers_test

import data.moorline.providers

denials(declared) := found if {
	found := providers.deny with input as {"document": {"providers": declared}}
}

test_a_provider_with_a_key_passes if {
	denials({"openai": {"kind": "openai", "api_key": "env:OPENAI_API_KEY"}}) == set()
}

test_a_provider_without_a_key_is_denied if {
	denials({"openai": {"kind": "openai"}}) == {"provider openai has no api_key: name a reference such as env:NAME"}
}

test_bedrock_needs_no_key if {
	denials({"bedrock": {"kind": "bedrock"}}) == set()
}

test_a_server_of_our_own_needs_neither_key_nor_tls if {
	every url in ["http://10.0.3.7:8000/v1", "http://localhost:1/v1", "http://vllm:8000/v1", "http://a.b.internal/v1"] {
		denials({"local": {"kind": "openai_compatible", "base_url": url}}) == set()
	}
}

test_a_public_host_needs_tls if {
	denials({"far": {"kind": "openai_compatible", "api_key": "env:K", "base_url": "http://llm.example.com/v1"}}) == {"provider far is reached over http://: a public host needs https://"}
}

test_a_public_host_needs_a_key if {
	count(denials({"far": {"kind": "openai_compatible", "base_url": "https://llm.example.com/v1"}})) == 1
}

test_a_user_part_does_not_hide_the_host if {
	count(denials({"far": {"kind": "openai_compatible", "api_key": "env:K", "base_url": "http://10.0.0.1@llm.example.com/v1"}})) == 1
}

test_a_private_name_as_prefix_does_not_hide_the_host if {
	count(denials({"far": {"kind": "openai_compatible", "api_key": "env:K", "base_url": "http://10.0.0.1.example.com/v1"}})) == 1
}
