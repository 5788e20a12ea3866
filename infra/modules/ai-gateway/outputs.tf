output "endpoint" {
  description = "The address that serves requests."
  value       = openai_gateway.this.endpoint
}

output "digest" {
  description = "The document's identity: what every replica attests once it serves it."
  value       = openai_gateway.this.digest
}
