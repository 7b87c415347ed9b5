//! Plans for the tests of this folder, from operations as `gateway.yaml` writes them.

use std::path::Path;

use serde_json::{Value, json};

use crate::{
    adaptation::{Direction, Lookup, OperationPlan, Plan},
    config::{changes, tree},
    domain::endpoint::Endpoint,
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

    pub(super) fn from_value(operation: &serde_yaml::Value) -> Self {
        let mut operation = serde_json::to_value(operation).expect("names are texts");
        declare_losses(&mut operation);
        let change = json!([{ "change": "c", "from": "1", "to": "2", "operations": [operation] }]);
        // JSON is YAML.
        let root = tree::parse(&change.to_string(), Path::new("changes.yaml")).expect("YAML");
        let mut findings = Vec::new();
        let changes = changes::read(&root, Path::new("."), &mut Vec::new(), &mut findings);
        assert!(findings.is_empty(), "{findings:?}");
        let (change, _) = &changes[0];
        let plan = Plan::compile(&[(change, Direction::Up)], &change.from);
        Self { plan, endpoint: change.operations[0].endpoint.clone() }
    }

    pub(super) fn operation(&self) -> &OperationPlan {
        match self.plan.operation(self.endpoint.method(), &self.endpoint.template()) {
            Lookup::Operation(operation) => operation,
            other => panic!("the plan has no {}: {other:?}", self.endpoint),
        }
    }
}

/// The vectors leave out why data may be lost.
fn declare_losses(operation: &mut Value) {
    let declare = |list: &mut Value| {
        for op in list.as_array_mut().into_iter().flatten() {
            op["lossy"] = json!({ "up": "a test", "down": "a test" });
        }
    };
    operation.get_mut("request").map(declare);
    let lists = operation.get_mut("response").and_then(Value::as_object_mut).into_iter().flatten();
    for (key, list) in lists {
        match list.as_object_mut().filter(|_| key == "events") {
            Some(events) => events.values_mut().for_each(declare),
            None => declare(list),
        }
    }
}
