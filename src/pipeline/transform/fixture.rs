//! Plans for the tests of this folder, from operations as `gateway.yaml` writes them.
//!
//! Only `rename`, `add` and `convert` are read: what the HTTP rules need to see a body change.

use http::{HeaderName, HeaderValue};
use serde_yaml::Value;

use crate::{
    adaptation::{
        Change, Direction, Lookup, OperationPlan, Plan,
        change::{Operation, StatusKey},
        fields::HeaderOp,
        literal::Literal,
        op::{Edit, Op, Otherwise, ScalarType},
        pointer::{Name, Pointer},
    },
    domain::{endpoint::Endpoint, version::ApiVersion},
};

/// One change between version 1, the client's, and version 2, the upstream's.
pub(super) struct Fixture {
    plan: Plan,
    endpoint: Endpoint,
}

impl Fixture {
    /// Reads one operation in flow style: `{match: POST /p, request: [{rename: {a: b}}]}`.
    pub(super) fn new(operation: &str) -> Self {
        Self::from_value(&serde_yaml::from_str(operation).expect("YAML"))
    }

    pub(super) fn from_value(operation: &Value) -> Self {
        let name = |text| ApiVersion::parse(text).expect("a version");
        let operation = read_operation(operation);
        let endpoint = operation.endpoint.clone();
        let change =
            Change { name: "c".to_owned(), from: name("1"), to: name("2"), summary: None, operations: vec![operation] };
        let plan = Plan::compile(&[(&change, Direction::Up)], &change.from);
        Self { plan, endpoint }
    }

    pub(super) fn operation(&self) -> &OperationPlan {
        match self.plan.operation(self.endpoint.method(), &self.endpoint.template()) {
            Lookup::Operation(operation) => operation,
            other => panic!("the plan has no {}: {other:?}", self.endpoint),
        }
    }
}

fn read_operation(value: &Value) -> Operation {
    let list = |value: &Value| value.as_sequence().cloned().unwrap_or_default();
    let edits = |value: &Value| list(value).iter().map(edit).collect::<Vec<_>>();
    let fields = |side: &str| list(&value["headers"][side]).iter().map(header_op).collect();
    let responses = value["response"].as_mapping().into_iter().flatten();
    Operation {
        endpoint: Endpoint::parse(text(&value["match"])).expect("an endpoint"),
        to: None,
        since: None,
        request: edits(&value["request"]),
        responses: responses
            .map(|(status, list)| (StatusKey::parse(text(status)).expect("a status"), edits(list)))
            .collect(),
        statuses: Vec::new(),
        query: Vec::new(),
        request_headers: fields("request"),
        response_headers: fields("response"),
    }
}

fn edit(value: &Value) -> Edit {
    let (name, inner) = single(value);
    let path = || Pointer::parse(text(&inner["path"])).expect("a pointer");
    let scalar = |value: &Value| {
        let all = [ScalarType::String, ScalarType::Integer, ScalarType::Number, ScalarType::Boolean];
        all.into_iter().find(|scalar| scalar.as_str() == text(value)).expect("a type")
    };
    let op = match name {
        "rename" => {
            let pairs = inner.as_mapping().expect("pairs").iter();
            Op::Rename(pairs.map(|(old, new)| (Name::new(text(old)), Name::new(text(new)))).collect())
        }
        "add" => Op::Add { path: path(), value: Some(Literal::string(text(&inner["value"]))), replaces_null: false },
        "convert" => Op::Convert {
            path: path(),
            from: scalar(&inner["from"]),
            to: scalar(&inner["to"]),
            on_error: if inner["on_error"] == "error" { Otherwise::Error } else { Otherwise::Pass },
        },
        other => panic!("the fixture does not read {other}"),
    };
    Edit::new(Pointer::default(), op)
}

fn header_op(value: &Value) -> HeaderOp {
    let name = |value: &Value| HeaderName::from_bytes(text(value).as_bytes()).expect("a name");
    let content = |value: &Value| HeaderValue::from_str(text(value)).expect("a value");
    match single(value) {
        ("rename", pairs) => {
            let pairs = pairs.as_mapping().expect("pairs").iter();
            HeaderOp::Rename(pairs.map(|(old, new)| (name(old), name(new))).collect())
        }
        ("add", field) => HeaderOp::Add(name(&field["name"]), content(&field["value"])),
        ("remove", field) => HeaderOp::Remove(name(&field["name"]), field.get("down").map(content)),
        (other, _) => panic!("the fixture does not read {other}"),
    }
}

/// The only pair of a mapping.
fn single(value: &Value) -> (&str, &Value) {
    let (name, inner) = value.as_mapping().and_then(|pairs| pairs.iter().next()).expect("one pair");
    (text(name), inner)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("not a text: {value:?}"))
}
