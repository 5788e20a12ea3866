variable "name" {
  description = "The gateway's name."
  type        = string
  nullable    = false
}

variable "location" {
  description = "Region or place, for people and for cost reports."
  type        = string
  default     = null
}

variable "tags" {
  description = "Free labels. `ManagedBy = \"terraform\"` is added."
  type        = map(string)
  default     = {}
  nullable    = false
}

variable "routes" {
  description = "Routes, in order; the first whose path matches serves a request."
  type = list(object({
    path  = string
    model = optional(string)
    rate_limit = optional(object({
      requests = optional(number)
      tokens   = optional(number)
      window   = string
    }))
  }))
  default  = []
  nullable = false

  validation {
    condition     = alltrue([for route in var.routes : startswith(route.path, "/")])
    error_message = "A route's path begins with a slash."
  }
}

variable "providers_document" {
  description = "Upstream providers by name, as under `providers:` of a gateway document. Keys are references (env:NAME, file:/path, secretsmanager:id[#key], ssm:/name, vault:mount/path#key), never values."
  type        = any
  default     = {}
}

variable "models_document" {
  description = "Models by name, as under `models:` of a gateway document."
  type        = any
  default     = {}
}

variable "keys" {
  description = "Virtual keys, as under `keys:` of a gateway document: only the SHA-256 of each. None: every request is refused."
  type        = any
  default     = []
}

variable "document" {
  description = "The rest of a gateway document (stores, auth, and anything the other variables do not say)."
  type        = any
  default     = {}
}

variable "take_over" {
  description = "Write although another owner (git, file) holds the document."
  type        = bool
  default     = null
}
