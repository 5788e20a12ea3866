//! Terraform's own syntax to [`Node`]s, and every function call in it.

use std::ops::Range;

use hcl_edit::Span as _;
use hcl_edit::expr::{Expression, FuncCall, ObjectKey, Traversal, TraversalOperator};
use hcl_edit::structure::{Block, Body, Structure};
use hcl_edit::template::{Element, Template};
use hcl_edit::visit::{self, Visit};

use super::node::{Call, Field, LineStarts, Node, Parsed, Part, Shape, Unreadable};
use super::reach::parents;

/// Reads a `.tf` file.
pub(super) fn parse(text: &str) -> Result<Parsed, Unreadable> {
    let body = hcl_edit::parser::parse_body(text).map_err(|error| Unreadable {
        line: error.location().line(),
        reason: format!("cannot be read: {}", one_line(error.message())),
    })?;
    let lines = LineStarts::of(text);
    let mut calls = Calls { line_of: &|offset| lines.line(offset), fallback: 1, found: Vec::new() };
    calls.visit_body(&body);
    let calls = calls.found;
    Ok(Parsed { root: Reader { lines: &lines }.body(&body, 1), calls, parents: parents(text) })
}

/// The calls inside a template, all on one line: the file's or JSON text's own line is not kept through escapes.
pub(super) fn template_calls(text: &str, line: usize) -> Result<(Vec<Call>, Option<String>), Unreadable> {
    let template = hcl_edit::parser::parse_template(text).map_err(|error| Unreadable {
        line,
        reason: format!("holds a template that cannot be read: {}", one_line(error.message())),
    })?;
    let mut calls = Calls { line_of: &|_| line, fallback: line, found: Vec::new() };
    calls.visit_template(&template);
    Ok((calls.found, literal(&template)))
}

/// The calls inside a template file, each with its line.
pub(super) fn template_file_calls(text: &str) -> Result<Vec<Call>, Unreadable> {
    let template = hcl_edit::parser::parse_template(text).map_err(|error| Unreadable {
        line: error.location().line(),
        reason: format!("cannot be read as a template: {}", one_line(error.message())),
    })?;
    let lines = LineStarts::of(text);
    let mut calls = Calls { line_of: &|offset| lines.line(offset), fallback: 1, found: Vec::new() };
    calls.visit_template(&template);
    Ok(calls.found)
}

fn one_line(text: &str) -> String {
    crate::diagnostic::shorten(&text.split_whitespace().collect::<Vec<_>>().join(" "), 200)
}

fn literal(template: &Template) -> Option<String> {
    template
        .iter()
        .map(|element| match element {
            Element::Literal(text) => Some(text.as_str()),
            Element::Interpolation(_) | Element::Directive(_) => None,
        })
        .collect()
}

struct Reader<'a> {
    lines: &'a LineStarts,
}

impl Reader<'_> {
    fn line(&self, span: Option<Range<usize>>, fallback: usize) -> usize {
        span.map_or(fallback, |span| self.lines.line(span.start))
    }

    fn body(&self, body: &Body, line: usize) -> Node {
        let fields = body
            .iter()
            .map(|structure| match structure {
                Structure::Attribute(attribute) => {
                    let line = self.line(attribute.key.span(), line);
                    Field {
                        name: attribute.key.as_str().to_owned(),
                        line,
                        node: self.expression(&attribute.value, line),
                    }
                }
                Structure::Block(block) => self.block(block, line),
            })
            .collect();
        Node { line, shape: Shape::Map(fields) }
    }

    fn block(&self, block: &Block, line: usize) -> Field {
        let line = self.line(block.ident.span(), line);
        let inner = self.body(&block.body, line);
        // Labels nest from the outside in.
        let node = block.labels.iter().rev().fold(inner, |node, label| Node {
            line,
            shape: Shape::Map(vec![Field { name: label.as_str().to_owned(), line, node }]),
        });
        Field { name: block.ident.as_str().to_owned(), line, node }
    }

    fn expression(&self, expression: &Expression, line: usize) -> Node {
        let line = self.line(expression.span(), line);
        let shape = match expression {
            Expression::String(text) => Shape::Text(text.value().clone()),
            Expression::Null(_) => Shape::Literal("null".to_owned()),
            Expression::Bool(value) => Shape::Literal(value.value().to_string()),
            Expression::Number(value) => Shape::Literal(value.value().to_string()),
            Expression::Array(items) => {
                Shape::List(items.iter().map(|item| self.expression(item, line)).collect())
            }
            Expression::Object(object) => {
                let mut fields = Vec::new();
                for (key, value) in object {
                    let Some(name) = key_name(key) else { return Node { line, shape: Shape::Computed } };
                    let node = self.expression(value.expr(), line);
                    fields.push(Field { name, line: node.line, node });
                }
                Shape::Map(fields)
            }
            Expression::Variable(name) => Shape::Reference(name.as_str().to_owned()),
            Expression::Traversal(traversal) => {
                reference(traversal).map_or(Shape::Computed, Shape::Reference)
            }
            _ => Shape::Computed,
        };
        Node { line, shape }
    }
}

fn key_name(key: &ObjectKey) -> Option<String> {
    match key {
        ObjectKey::Ident(name) => Some(name.as_str().to_owned()),
        ObjectKey::Expression(Expression::String(text)) => Some(text.value().clone()),
        ObjectKey::Expression(_) => None,
    }
}

fn reference(traversal: &Traversal) -> Option<String> {
    let Expression::Variable(first) = &traversal.expr else { return None };
    let mut text = first.as_str().to_owned();
    for operator in &traversal.operators {
        let TraversalOperator::GetAttr(name) = operator.value() else { return None };
        text.push('.');
        text.push_str(name.as_str());
    }
    Some(text)
}

struct Calls<'a> {
    line_of: &'a dyn Fn(usize) -> usize,
    fallback: usize,
    found: Vec<Call>,
}

impl Visit for Calls<'_> {
    fn visit_func_call(&mut self, node: &FuncCall) {
        let name = &node.name.name;
        let function = if node.name.is_namespaced() {
            let spaces: Vec<&str> = node.name.namespace.iter().map(|space| space.as_str()).collect();
            format!("{}::{}", spaces.join("::"), name.as_str())
        } else {
            name.as_str().to_owned()
        };
        let line = name.span().map_or(self.fallback, |span| (self.line_of)(span.start));
        let arguments = node.args.iter().map(parts).collect();
        self.found.push(Call { line, function, arguments });
        visit::visit_func_call(self, node);
    }
}

fn parts(expression: &Expression) -> Vec<Part> {
    match expression {
        Expression::String(text) => vec![Part::Text(text.value().clone())],
        Expression::Parenthesis(inner) => parts(inner.inner()),
        Expression::StringTemplate(template) => template
            .iter()
            .flat_map(|element| match element {
                Element::Literal(text) => vec![Part::Text(text.as_str().to_owned())],
                Element::Interpolation(interpolation) => match &interpolation.expr {
                    Expression::Traversal(traversal) => vec![place(traversal)],
                    _ => vec![Part::Unknown],
                },
                Element::Directive(_) => vec![Part::Unknown],
            })
            .collect(),
        Expression::Traversal(traversal) => vec![place(traversal)],
        _ => vec![Part::Unknown],
    }
}

fn place(traversal: &Traversal) -> Part {
    match reference(traversal).as_deref() {
        Some("path.module") => Part::Module,
        Some("path.root" | "path.cwd") => Part::Root,
        Some("terraform.workspace") => Part::Workspace,
        _ => Part::Unknown,
    }
}
