//! What a WAF rule looks at: its statement, as a short text that names the kind of each part.
//!
//! `and(geo_match DE, not(ip_set_reference arn:…))`: enough to see that a rule was opened up, narrowed or swapped for
//! another. The texts and patterns inside the leaves are not compared, but for names, ARNs and countries.

use aws_sdk_wafv2::types::Statement;

use crate::attributes::{Attributes, Unexpected};
use crate::fields::UNKNOWN;

/// What the state says. A statement without any known part is empty.
pub(super) fn declared(statement: &Attributes<'_>) -> Result<String, Unexpected> {
    const END: &str = "_statement";
    let mut parts = Vec::new();
    for name in statement.blocks_ending(END) {
        let Some(part) = statement.block(name)? else { continue };
        let kind = name.strip_suffix(END).unwrap_or(name);
        parts.push(match kind {
            "and" | "or" => {
                let inner = part.blocks("statement")?;
                together(kind, inner.iter().map(declared).collect::<Result<_, _>>()?)
            }
            "not" => {
                let inner = part.blocks("statement")?;
                together(kind, inner.iter().map(declared).collect::<Result<_, _>>()?)
            }
            "managed_rule_group" => {
                let (vendor, name) = (part.required("vendor_name")?, part.required("name")?);
                let scope = part.block("scope_down_statement")?;
                managed(&vendor, &name, scope.as_ref().map(declared).transpose()?)
            }
            "ip_set_reference" | "rule_group_reference" | "regex_pattern_set_reference" => {
                format!("{kind} {}", part.required("arn")?)
            }
            "geo_match" => countries(part.texts("country_codes")?),
            other => other.to_owned(),
        });
    }
    Ok(parts.join(" "))
}

pub(super) fn live(statement: &Statement) -> String {
    let all = |statements: &[Statement]| statements.iter().map(live).collect();
    if let Some(and) = &statement.and_statement {
        return together("and", all(&and.statements));
    }
    if let Some(or) = &statement.or_statement {
        return together("or", all(&or.statements));
    }
    if let Some(not) = &statement.not_statement {
        return together("not", not.statement.iter().map(|inner| live(inner)).collect());
    }
    if let Some(group) = &statement.managed_rule_group_statement {
        return managed(&group.vendor_name, &group.name, group.scope_down_statement.as_deref().map(live));
    }
    if let Some(set) = &statement.ip_set_reference_statement {
        return format!("ip_set_reference {}", set.arn);
    }
    if let Some(group) = &statement.rule_group_reference_statement {
        return format!("rule_group_reference {}", group.arn);
    }
    if let Some(set) = &statement.regex_pattern_set_reference_statement {
        return format!("regex_pattern_set_reference {}", set.arn);
    }
    if let Some(geo) = &statement.geo_match_statement {
        return countries(geo.country_codes().iter().map(|code| code.as_str().to_owned()).collect());
    }
    leaf(statement).to_owned()
}

/// Statements of which only the kind is compared.
fn leaf(statement: &Statement) -> &'static str {
    let kinds = [
        (statement.rate_based_statement.is_some(), "rate_based"),
        (statement.byte_match_statement.is_some(), "byte_match"),
        (statement.sqli_match_statement.is_some(), "sqli_match"),
        (statement.xss_match_statement.is_some(), "xss_match"),
        (statement.size_constraint_statement.is_some(), "size_constraint"),
        (statement.label_match_statement.is_some(), "label_match"),
        (statement.regex_match_statement.is_some(), "regex_match"),
        (statement.asn_match_statement.is_some(), "asn_match"),
    ];
    kinds.iter().find(|(is_there, _)| *is_there).map_or(UNKNOWN, |(_, kind)| kind)
}

/// The order of parts does not change what they say together.
fn together(kind: &str, mut parts: Vec<String>) -> String {
    parts.sort_unstable();
    format!("{kind}({})", parts.join(", "))
}

fn managed(vendor: &str, name: &str, scope: Option<String>) -> String {
    match scope {
        Some(scope) => format!("managed_rule_group {vendor}/{name} where {scope}"),
        None => format!("managed_rule_group {vendor}/{name}"),
    }
}

fn countries(mut codes: Vec<String>) -> String {
    codes.sort_unstable();
    format!("geo_match {}", codes.join("+"))
}

#[cfg(test)]
mod tests {
    use aws_sdk_wafv2::types::{
        AndStatement, CountryCode, GeoMatchStatement, IpSetReferenceStatement, ManagedRuleGroupStatement,
        NotStatement,
    };
    use serde_json::json;

    use super::*;

    fn geo(codes: &[CountryCode]) -> Statement {
        let geo = GeoMatchStatement::builder().set_country_codes(Some(codes.to_vec())).build();
        Statement::builder().geo_match_statement(geo).build()
    }

    #[test]
    fn a_tree_has_the_same_text_on_both_sides() {
        let state = json!({
            "and_statement": [{"statement": [
                {"geo_match_statement": [{"country_codes": ["FR", "DE"]}], "not_statement": []},
                {"not_statement": [{"statement": [{"ip_set_reference_statement": [{"arn": "arn:set"}]}]}]},
            ]}],
            "geo_match_statement": [],
        });
        let set = IpSetReferenceStatement::builder().arn("arn:set").build().unwrap();
        let set = Statement::builder().ip_set_reference_statement(set).build();
        let not = Statement::builder().not_statement(NotStatement::builder().statement(set).build()).build();
        let geo = geo(&[CountryCode::De, CountryCode::Fr]);
        let and = AndStatement::builder().statements(not).statements(geo).build().unwrap();
        let live = live(&Statement::builder().and_statement(and).build());
        assert_eq!(declared(&Attributes::of(&state)).unwrap(), live);
        assert_eq!(live, "and(geo_match DE+FR, not(ip_set_reference arn:set))");
    }

    #[test]
    fn a_managed_group_that_is_scoped_down_is_another() {
        let group = |scope: Option<Statement>| {
            let group = ManagedRuleGroupStatement::builder().vendor_name("AWS").name("Common");
            let group = group.set_scope_down_statement(scope.map(Box::new)).build().unwrap();
            live(&Statement::builder().managed_rule_group_statement(group).build())
        };
        let state = json!({"managed_rule_group_statement": [
            {"vendor_name": "AWS", "name": "Common", "scope_down_statement": []},
        ]});
        assert_eq!(declared(&Attributes::of(&state)).unwrap(), group(None));
        assert_ne!(group(None), group(Some(geo(&[CountryCode::De]))));
    }

    #[test]
    fn a_kind_that_is_newer_than_this_program_is_no_match() {
        assert_eq!(live(&Statement::builder().build()), UNKNOWN);
        let state = json!({"quantum_match_statement": [{}]});
        assert_eq!(declared(&Attributes::of(&state)).unwrap(), "quantum_match");
    }
}
