//! The `google.api.http` option as plain values.

use http::Method;
use prost_reflect::{DynamicMessage, MethodDescriptor, Value};

use super::Verb;

/// One rule or additional binding.
pub(super) struct Rule {
    pub(super) verb: Verb,
    pub(super) template: String,
    pub(super) body: String,
    pub(super) response_body: String,
}

/// The rule of a method and its additional bindings. The error says what is wrong with them.
pub(super) fn rules_of(method: &MethodDescriptor) -> Result<Vec<Rule>, String> {
    let Some(extension) = method.parent_pool().get_extension_by_name("google.api.http") else {
        return Ok(Vec::new());
    };
    let options = method.options();
    if !options.has_extension(&extension) {
        return Ok(Vec::new());
    }
    let value = options.get_extension(&extension);
    let Some(http) = value.as_message() else { return Ok(Vec::new()) };
    let mut rules = vec![rule(http)?];
    for binding in messages(http, "additional_bindings") {
        if !messages(&binding, "additional_bindings").is_empty() {
            return Err("an additional binding has additional bindings of its own".to_owned());
        }
        rules.push(rule(&binding)?);
    }
    Ok(rules)
}

fn rule(http: &DynamicMessage) -> Result<Rule, String> {
    let methods = [
        ("get", Method::GET),
        ("put", Method::PUT),
        ("post", Method::POST),
        ("delete", Method::DELETE),
        ("patch", Method::PATCH),
    ];
    let mut found = methods
        .into_iter()
        .filter(|(name, _)| http.has_field_by_name(name))
        .map(|(name, method)| (Verb::Method(method), text(http, name)))
        .next();
    if found.is_none()
        && let Some(custom) =
            http.get_field_by_name("custom").filter(|_| http.has_field_by_name("custom"))
        && let Some(custom) = custom.as_message()
    {
        let kind = text(custom, "kind");
        let verb = match kind.as_str() {
            "*" => Verb::Any,
            name => Verb::Method(
                Method::from_bytes(name.as_bytes())
                    .map_err(|_| format!("{name:?} is not an HTTP method"))?,
            ),
        };
        found = Some((verb, text(custom, "path")));
    }
    let (verb, template) = found.ok_or("the rule has no pattern")?;
    Ok(Rule {
        verb,
        template,
        body: text(http, "body"),
        response_body: text(http, "response_body"),
    })
}

fn text(message: &DynamicMessage, field: &str) -> String {
    let value = message.get_field_by_name(field);
    value.as_deref().and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn messages(message: &DynamicMessage, field: &str) -> Vec<DynamicMessage> {
    let value = message.get_field_by_name(field);
    let list = value.as_deref().and_then(Value::as_list).unwrap_or_default();
    list.iter().filter_map(Value::as_message).cloned().collect()
}
