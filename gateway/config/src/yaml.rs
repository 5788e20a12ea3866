//! YAML text to a value tree with places.
