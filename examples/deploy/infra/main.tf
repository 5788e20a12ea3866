terraform {
  required_version = ">= 1.9"

  required_providers {
    openai = {
      source = "moorline/moorline"
    }
  }

  # The path is given by moorline.yaml (backend_config).
  backend "local" {}
}

# Address and token come from MOORLINE_ENDPOINT and MOORLINE_TOKEN: the daemon's document endpoint.
provider "openai" {}

module "gateway" {
  source = "./modules/ai-gateway"

  name     = "ai-gateway-demo"
  location = "this machine"
  tags     = { Environment = "demo" }

  providers_document = {
    local = { kind = "openai_compatible", base_url = "http://127.0.0.1:8000/v1", api_key = "env:DEMO_PROVIDER_KEY" }
  }

  models_document = {
    "demo-small" = {
      targets = [{ provider = "local", model = "small-1" }]
      price   = { input = 0.15, output = 0.60 }
    }
  }

  routes = [
    { path = "/v1/chat/*", model = "demo-small", rate_limit = { requests = 1000000, window = "1h" } },
  ]

  keys = [{ name = "demo-caller", sha256 = "0000000000000000000000000000000000000000000000000000000000000000" }]
}

output "gateway_endpoint" {
  value = module.gateway.endpoint
}
