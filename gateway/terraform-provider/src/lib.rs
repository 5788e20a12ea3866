//! Terraform provider for the Moorline gateway.
