//! Reads ECS, ELBv2 and WAFv2 and compares them with Terraform's state.
