terraform {
  required_version = ">= 1.9"

  required_providers {
    openai = {
      source  = "moorline/moorline"
      version = ">= 0.1.0, < 1.0.0"
    }
  }
}
