# One gateway, declared as a whole: what the blocks cannot say goes into `document`, and both reach the gateway in
# one write.

locals {
  # An absent field and an empty one mean the same to the gateway, but not to a digest: leave the empty ones out.
  declared = {
    providers = var.providers_document
    models    = var.models_document
    keys      = var.keys
  }
  document = merge(var.document, { for name, value in local.declared : name => value if length(value) > 0 })
}

resource "openai_gateway" "this" {
  name      = var.name
  location  = var.location
  tags      = merge({ ManagedBy = "terraform" }, var.tags)
  document  = jsonencode(local.document)
  take_over = var.take_over

  dynamic "route" {
    for_each = var.routes

    content {
      path       = route.value.path
      model      = route.value.model
      rate_limit = route.value.rate_limit
    }
  }
}
