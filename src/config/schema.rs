//! The JSON Schema (2020-12) of `gateway.yaml`, from the types that read it.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Value as Json, json};

use super::containers::{Entries, Filled, Word};
use super::names::{EndpointText, Name, VersionName};
use super::places::Network;
use super::raw::{Api, Apis, BalanceRule, BalanceWord, Changes, Gateway, HashBalance, ProxyProtocol, SourceKeys};
use super::source::Source;
use super::units::Flag;

/// The schema as JSON.
pub fn document() -> Json {
    let mut schema: Schema = SchemaGenerator::default().into_root_schema_for::<Gateway>();
    schema.insert("title".to_owned(), "gateway.yaml".into());
    schema.to_value()
}

impl JsonSchema for Source {
    fn schema_name() -> Cow<'static, str> {
        "Source".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = SourceKeys::json_schema(generator);
        let one: Vec<Json> = ["header", "path", "query", "accept"].map(|key| json!({ "required": [key] })).into();
        schema.insert("oneOf".to_owned(), one.into());
        schema
    }
}

impl JsonSchema for Apis {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Apis".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = Entries::<Name, Api>::json_schema(generator);
        schema.insert("minProperties".to_owned(), 1.into());
        schema
    }
}

impl JsonSchema for BalanceRule {
    fn schema_name() -> Cow<'static, str> {
        "BalanceRule".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let (word, hash) = (generator.subschema_for::<Word<BalanceWord>>(), generator.subschema_for::<HashBalance>());
        json_schema!({ "anyOf": [word, hash] })
    }
}

impl JsonSchema for ProxyProtocol {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "ProxyProtocol".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let (flag, networks) = (generator.subschema_for::<Flag>(), generator.subschema_for::<Filled<Network>>());
        json_schema!({ "anyOf": [flag, networks] })
    }
}

impl JsonSchema for Changes {
    fn schema_name() -> Cow<'static, str> {
        "Changes".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let version = generator.subschema_for::<VersionName>();
        let endpoint = generator.subschema_for::<EndpointText>();
        json_schema!({
            "type": "array",
            "items": { "anyOf": [
                { "type": "string", "description": "Path of a file that holds one change." },
                change(&version, &endpoint),
            ] },
        })
    }
}

/// Operations on a value and what they are for; `use` and `at` name shapes and places.
const OPS: [(&str, &str); 21] = [
    ("rename", "Members get other names: {old: new}."),
    ("move", "A value goes to another place: {from, to}."),
    ("nest", "Members are collected into an object: {into, members, rest, always}."),
    ("unnest", "The members of an object are spread: {from, members}."),
    ("add", "The newer version has a member more: {path, value}."),
    ("remove", "The newer version has a member less: {path, down}."),
    ("convert", "The value changes its type: {path, from, to, on_error}."),
    ("scale", "The number moves by powers of ten: {path, pow10}."),
    ("map", "The value is looked up in a table: {path, pairs, up_else, down_else}."),
    ("wrap", "The value becomes a list of one: {path, many, empty, if_null}."),
    ("unwrap", "The list of one becomes its item: {path, many, empty}."),
    ("split", "A text is cut into members: {from, into, sep}."),
    ("merge", "Members are joined into a text: {from, into, sep}."),
    ("elem_wrap", "List items become objects with one member: {path, key}."),
    ("index", "A list of objects becomes a mapping by a member: {path, key}."),
    ("drop_elems", "List items that the older version does not know are dropped: {path, by, keep}."),
    ("jq", "A program of its own: {at, up, down, examples}."),
    ("use", "The operations of a shape."),
    ("ops", "A group of operations, scoped by `at`."),
    ("at", "JSON pointer the operation is scoped to; [] is every item, {} every member."),
    ("when", "Only where a member has one of these values: {path, in}."),
];

/// A change, loosely: `vergate check` knows more than a schema can say.
fn change(version: &Schema, endpoint: &Schema) -> Json {
    let mut op: serde_json::Map<String, Json> =
        OPS.iter().map(|(name, doc)| ((*name).to_owned(), json!({ "description": doc }))).collect();
    op.insert("strict".into(), json!({ "type": "boolean", "description": "A value that does not fit is an error." }));
    op.insert("conflict".into(), json!({ "enum": ["error", "replace"], "description": "What a stray target does." }));
    op.insert(
        "lossy".into(),
        json!({ "type": "object", "description": "Why data is lost: {up: reason, down: reason}." }),
    );
    let ops =
        json!({ "type": "array", "items": { "type": "object", "properties": op, "additionalProperties": false } });
    json!({
        "type": "object",
        "description": "How version `to` differs from version `from`; operations are written old to new and run both ways.",
        "required": ["change", "from", "to"],
        "additionalProperties": false,
        "properties": {
            "change": { "type": "string", "description": "Its name, unique within the API." },
            "from": version,
            "to": version,
            "summary": { "type": "string", "description": "One sentence for people." },
            "shapes": {
                "type": "object",
                "description": "Lists of operations by name, for `use`.",
                "additionalProperties": ops,
            },
            "operations": {
                "type": "array",
                "description": "What happens to which endpoint; an empty list says the two versions do not differ.",
                "items": {
                    "type": "object",
                    "required": ["match"],
                    "additionalProperties": false,
                    "properties": {
                        "match": endpoint,
                        "to": endpoint,
                        "since": version,
                        "request": ops,
                        "response": {
                            "type": "object",
                            "description": "Lists by exact status, class (`2xx`) or `default`.",
                            "propertyNames": { "pattern": "^([1-5][0-9][0-9]|[1-5]xx|default|events)$" },
                            "properties": {
                                "events": {
                                    "type": "object",
                                    "description": "Lists by the type of server-sent events (`message`: events that name none); other types go by the status.",
                                    "minProperties": 1,
                                    "propertyNames": { "pattern": "^[^\\n\\r\\u0000]+$" },
                                    "additionalProperties": ops,
                                },
                            },
                            "additionalProperties": ops,
                        },
                        "query": { "type": "array", "items": { "type": "object" } },
                        "headers": { "type": ["array", "object"] },
                        "status": { "type": "array", "items": { "type": "array", "minItems": 2, "maxItems": 2 } },
                    },
                },
            },
        },
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::config::checked::{Limits, Timeouts};
    use crate::config::raw;
    use crate::config::testing::outcome;

    fn valid(text: &str) -> bool {
        let instance: Json = serde_yaml::from_str(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        let schema = document();
        let validator = jsonschema::draft202012::new(&schema).expect("a valid schema");
        validator.is_valid(&instance)
    }

    #[test]
    fn the_schema_itself_is_valid_and_of_2020_12() {
        let schema = document();
        assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
        assert!(jsonschema::draft202012::meta::is_valid(&schema));
    }

    #[test]
    fn the_shipped_configuration_fits() {
        let text = include_str!("../../gateway.yaml");
        let instance: Json = serde_yaml::from_str(text).expect("valid YAML");
        let schema = document();
        let validator = jsonschema::draft202012::new(&schema).expect("a valid schema");
        let errors: Vec<String> =
            validator.iter_errors(&instance).map(|error| format!("{}: {error}", error.instance_path())).collect();
        assert!(errors.is_empty(), "{errors:#?}");
    }

    #[test]
    fn what_check_refuses_by_its_shape_the_schema_refuses_too() {
        let api = "apis: {a: {versions: {\"1\": {upstream: u}}}}\n";
        assert!(valid(api));
        for wrong in [
            "workers: many",
            "workers: 0",
            "listen: 8080",
            "listen: [x]",
            "frobnicate: 1",
            "limits: {request_body: 10MB}",
            "timeouts: {request: 5}",
            "log: {format: xml}",
            "versioning: {resolve: [{header: A, query: b}]}",
            "versioning: {default: 2.1}",
            "upstreams: {u: ftp://x}",
            "upstreams: {u: {balance: round_robin}}",
            "deprecation: {headers: {links: [next]}}",
        ] {
            assert!(!valid(&format!("{api}{wrong}\n")), "{wrong}");
            let found = outcome(&format!("{api}upstreams: {{u: http://h}}\n{wrong}\n")).findings;
            assert!(!found.is_empty(), "{wrong}");
        }
        for wrong in [
            "workers: 1\n",
            "apis: {}\n",
            "apis: {a: {versions: {\"1\": {upstrem: u}}}}\n",
            "apis: {a: {versions: {one: {upstream: u}}}}\n",
            "apis: {a: {versions: {\"1\": {upstream: u}}, changes: [{change: x, from: \"1\", to: \"2\", ops: []}]}}\n",
        ] {
            assert!(!valid(wrong), "{wrong}");
        }
    }

    #[test]
    fn values_that_are_filled_in_later_fit_everywhere() {
        assert!(valid(
            "workers: ${W:-2}\nlisten: ${L}\nlimits: {request_body: \"${B}\"}\nlog: {format: \"${F}\"}\napis: {a: {strip_path: \"${S}\", versions: {\"1\": {deprecated: \"${D}\", upstream: \"${U}\"}}}}\n"
        ));
    }

    #[test]
    fn event_types_stand_beside_statuses() {
        let response = |response: &str| {
            valid(&format!(
                "apis: {{a: {{versions: {{\"1\": {{upstream: u}}}}, changes: [{{change: x, from: \"1\", to: \"2\", operations: [{{match: GET /p, response: {response}}}]}}]}}}}\n"
            ))
        };
        assert!(response("{2xx: [{rename: {a: b}}], events: {x: [{rename: {a: b}}], message: []}}"));
        for wrong in
            ["{events: [x]}", "{events: {}}", "{events: {'': []}}", "{events: {x: [{renam: {a: b}}]}}", "{event: []}"]
        {
            assert!(!response(wrong), "{wrong}");
        }
    }

    /// Every mapping: its schema and the keys its reader knows.
    fn shapes() -> Vec<(Schema, &'static [&'static str])> {
        let mut generator = SchemaGenerator::default();
        macro_rules! list {
            ($($name:ident),*) => { vec![$((raw::$name::json_schema(&mut generator), raw::$name::KEYS)),*] };
        }
        let mut shapes = list!(
            Gateway,
            Listener,
            ListenerTls,
            CertificateFiles,
            Admin,
            Log,
            Versioning,
            SourceKeys,
            Deprecation,
            Phases,
            AnnounceHeaders,
            Limits,
            Timeouts,
            Upstream,
            Server,
            Retries,
            Breaker,
            Health,
            Queue,
            Ejection,
            HashBalance,
            HashSource,
            UpstreamTimeouts,
            UpstreamTls,
            Adaptation,
            Api,
            Version
        );
        let telemetry = crate::config::tracing::Telemetry::json_schema(&mut generator);
        let otlp = crate::config::tracing::Otlp::json_schema(&mut generator);
        shapes
            .extend([(telemetry, crate::config::tracing::Telemetry::KEYS), (otlp, crate::config::tracing::Otlp::KEYS)]);
        shapes
    }

    #[test]
    fn the_reader_of_changes_knows_every_op_of_the_schema() {
        for (op, _) in OPS {
            let text = format!(
                "upstreams: {{u: http://h}}\napis: {{a: {{versions: {{\"1\": {{}}, \"2\": {{upstream: u}}}}, changes: [{{change: x, from: \"1\", to: \"2\", operations: [{{match: POST /p, request: [{{{op}: x}}]}}]}}]}}}}\n"
            );
            let found = outcome(&text).findings;
            assert!(found.iter().all(|finding| finding.code != "unknown-op"), "{op}: {found:?}");
        }
    }

    #[test]
    fn the_reader_and_the_schema_know_the_same_keys() {
        for (schema, keys) in shapes() {
            let schema = schema.to_value();
            let described: BTreeSet<&str> =
                schema["properties"].as_object().expect("properties").keys().map(String::as_str).collect();
            assert_eq!(described, keys.iter().copied().collect::<BTreeSet<_>>());
            assert_eq!(schema["additionalProperties"], false);
            for (key, property) in schema["properties"].as_object().expect("properties") {
                assert!(
                    property["description"].as_str().is_some_and(|text| text.len() > 10),
                    "{key} has no description"
                );
            }
        }
    }

    #[test]
    fn every_mapping_of_the_schema_is_a_shape() {
        let closed = document()["$defs"]
            .as_object()
            .expect("definitions")
            .values()
            .filter(|schema| schema["additionalProperties"] == false)
            .count();
        // `Source` stands for `SourceKeys`; the root is no definition.
        assert_eq!(closed + 1, shapes().len());
    }

    #[test]
    fn the_defaults_in_the_schema_are_the_defaults() {
        let mut text = String::from("upstreams: {u: http://h}\napis: {a: {versions: {\"1\": {upstream: u}}}}\n");
        let mut generator = SchemaGenerator::default();
        let sections = [
            ("limits", raw::Limits::json_schema(&mut generator)),
            ("timeouts", raw::Timeouts::json_schema(&mut generator)),
        ];
        for (section, schema) in sections {
            text.push_str(&format!("{section}:\n"));
            for (key, property) in schema.to_value()["properties"].as_object().expect("properties") {
                text.push_str(&format!("  {key}: {}\n", property["default"]));
            }
        }
        let config = outcome(&text).config.expect("sound");
        assert_eq!(config.limits, Limits::default());
        assert_eq!(config.timeouts, Timeouts::default());
    }
}
