//! What `terraform init` reads of the code: `terraform` blocks, and the name, source and version of each module call.
//!
//! While these are the same, as well as the lock file and how Terraform is run, another `init` changes nothing.

use super::node::{Field, Node, Shape};

/// The fields of a module call that decide what is installed.
const MODULE_FIELDS: [&str; 2] = ["source", "version"];

/// What `init` reads of a file, as one text in which lines and spaces play no part; `None` where it is computed.
pub(super) fn of_file(root: &Node) -> Option<String> {
    let mut text = String::new();
    for field in root.fields().ok()? {
        match field.name.as_str() {
            "terraform" => write_field(field, &mut text)?,
            "module" => write_calls(&field.node, &mut text)?,
            _ => {}
        }
    }
    Some(text)
}

fn write_calls(node: &Node, text: &mut String) -> Option<()> {
    for call in node.fields().ok()? {
        for body in call.node.bodies() {
            write_text(&call.name, text);
            for field in body.fields().ok()? {
                if MODULE_FIELDS.contains(&field.name.as_str()) {
                    write_field(field, text)?;
                }
            }
        }
    }
    Some(())
}

fn write_field(field: &Field, text: &mut String) -> Option<()> {
    // The only references that such a block may hold everywhere; they choose among providers, and install none.
    if field.name == "configuration_aliases" {
        return Some(());
    }
    write_text(&field.name, text);
    write_node(&field.node, text)
}

fn write_node(node: &Node, text: &mut String) -> Option<()> {
    match &node.shape {
        Shape::Text(value) => write_text(value, text),
        Shape::Literal(value) => text.push_str(value),
        Shape::Map(fields) => {
            text.push('{');
            fields.iter().try_for_each(|field| write_field(field, text))?;
            text.push('}');
        }
        Shape::List(items) => {
            text.push('[');
            items.iter().try_for_each(|item| write_node(item, text))?;
            text.push(']');
        }
        Shape::Reference(_) | Shape::Computed => return None,
    }
    text.push(',');
    Some(())
}

fn write_text(value: &str, text: &mut String) {
    text.push_str(&format!("{value:?}"));
}

#[cfg(test)]
mod tests {
    use super::super::{hcl, json};
    use super::*;

    fn text(code: &str) -> Option<String> {
        of_file(&hcl::parse(code).unwrap().root)
    }

    const CODE: &str = "terraform {\n  backend \"s3\" {\n    bucket = \"b\"\n    encrypt = true\n  }\n}\n\
        module \"m\" {\n  source = \"./m\"\n  size = var.size\n}\n";

    #[test]
    fn what_init_does_not_read_changes_nothing() {
        let other = format!("# a comment\nlocals {{\n  a = 1\n}}\n{}", CODE.replace("var.size", "var.other"));
        assert_eq!(text(&other), text(CODE));
        assert!(text(CODE).is_some());
    }

    #[test]
    fn backends_versions_and_module_sources_count() {
        for (from, to) in
            [("\"b\"", "\"c\""), ("true", "false"), ("./m", "./n"), ("module \"m\"", "module \"n\"")]
        {
            assert_ne!(text(&CODE.replace(from, to)), text(CODE), "{to}");
        }
        assert_ne!(text("terraform {\n  required_version = \"> 1\"\n}\n"), text(""));
    }

    #[test]
    fn what_is_computed_is_not_known() {
        for computed in ["var.b", "\"${var.b}\""] {
            assert_eq!(text(&CODE.replace("\"b\"", computed)), None, "{computed}");
        }
    }

    #[test]
    fn numbers_of_json_count() {
        let of = |code: &str| of_file(&json::parse(code).unwrap().root);
        let one = "{\"terraform\": {\"backend\": {\"http\": {\"retry_max\": 1}}}}";
        assert_ne!(of(one), of(&one.replace('1', "2")));
    }
}
