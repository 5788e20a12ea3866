//! The deciding half in a small world: commits, replicas and a Terraform that do what they are told, and a daemon's
//! cycle around them.

mod properties;
mod scenarios;
mod script;
mod world;
