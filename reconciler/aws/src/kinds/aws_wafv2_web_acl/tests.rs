use serde_json::json;

use super::*;
use crate::sample;

#[test]
fn a_web_acl_of_cloudfront_is_read_where_those_are() {
    let mut state = sample::state();
    let values = sample::values(&mut state, sample::WEB_ACL);
    values["region"] = json!("eu-central-1");
    values["scope"] = json!("REGIONAL");
    let region = |state: &serde_json::Value| {
        let web_acl = sample::declared::<WebAcl>(state).remove(0);
        web_acl.place().region.map(str::to_owned)
    };
    assert_eq!(region(&state).as_deref(), Some("eu-central-1"));
    sample::values(&mut state, sample::WEB_ACL)["scope"] = json!("CLOUDFRONT");
    assert_eq!(region(&state).as_deref(), Some("us-east-1"));
}

#[test]
fn a_scope_that_is_newer_than_this_program_is_unreadable() {
    let mut state = sample::state();
    sample::values(&mut state, sample::WEB_ACL)["scope"] = json!("ORBITAL");
    assert_eq!(sample::read::<WebAcl>(&state)[0].as_ref().unwrap_err().path, "scope");
}
