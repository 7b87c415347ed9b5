use serde_json::json;

use super::testing::{document, outcome, render, schema};
use crate::{adaptation::change::StatusKey, contract::document::Location, domain::endpoint::Endpoint};

const ORDERS: &str = "openapi: 3.0.3
info: {title: Orders, version: '7'}
servers: [{url: 'https://api.example/shop/'}]
paths:
  /orders/{id}:
    parameters:
      - {name: id, in: path, required: true, schema: {type: string}}
      - {name: X-Trace, in: header, schema: {type: string}}
    get:
      summary: One order
      parameters: [{name: x-trace, in: header, required: true, schema: {type: integer}}]
      responses:
        '200':
          content:
            text/html: {}
            application/vnd.shop+json; charset=utf-8: {schema: {$ref: '#/components/schemas/Order'}}
        4XX: {$ref: '#/components/responses/Problem'}
        default: {description: whatever}
components:
  responses:
    Problem: {description: bad, content: {application/problem+json: {schema: {type: object}}}}
  schemas:
    Order:
      type: object
      required: [id, total]
      properties:
        id: {type: string, description: who}
        total: {type: number, minimum: 0, exclusiveMinimum: true, nullable: true}
        lines: {type: array, items: {$ref: 'common.yaml#/Line'}}
";
const COMMON: &str = "Line: {type: object, properties: {order: {$ref: 'o.yaml#/components/schemas/Order'}, price: {$ref: '#/Money'}}}\nMoney: {type: string, pattern: '^[0-9]+$'}\n";

#[test]
fn operations_come_with_parameters_bodies_and_statuses() {
    let (document, findings) = outcome(&[("o.yaml", ORDERS), ("common.yaml", COMMON)]);
    assert_eq!(findings, [] as [&str; 0]);
    let document = document.expect("no finding");
    assert_eq!((document.title.as_str(), document.version.as_str(), document.base.as_str()), ("Orders", "7", "/shop"));
    assert_eq!(document.files.len(), 2);
    let wanted = Endpoint::parse("GET /orders/{number}").expect("an endpoint");
    let operation = document.operation(&wanted).expect("parameters match whatever they are called");
    assert_eq!((operation.place.line, operation.place.col), (9, 5));
    let parameters: Vec<_> = operation.parameters.iter().map(|p| (p.location, p.name.as_str(), p.required)).collect();
    assert_eq!(parameters, [(Location::Path, "id", true), (Location::Header, "x-trace", true)]);
    let statuses: Vec<_> = operation.responses.iter().map(|response| response.status).collect();
    assert_eq!(statuses, [StatusKey::Exact(200), StatusKey::Class(4), StatusKey::Default]);
    assert_eq!(operation.response(404).map(|response| response.status), Some(StatusKey::Class(4)));
    assert_eq!(operation.response(500).and_then(|response| response.content.json()), None);
    let order = operation.response(200).and_then(|response| response.content.json()).expect("a +json body");
    let names: Vec<&str> = document.definitions.iter().map(|definition| definition.name.as_str()).collect();
    assert_eq!(names, ["Order", "common.Line", "common.Money"]);
    assert_eq!(
        render(&order.opened()),
        json!({"type": "object", "required": ["id", "total"], "properties": {
            "id": {"type": "string", "description": "who"},
            "total": {"anyOf": [{"type": "number", "exclusiveMinimum": 0}, {"type": "null"}]},
            "lines": {"type": "array", "items": {"$ref": "#/components/schemas/common.Line"}},
        }})
    );
}

#[test]
fn a_json_document_is_read_as_well() {
    let text = "{\n\t\"openapi\": \"3.1.0\",\n\t\"paths\": {\"/a\": {\"post\": {\"requestBody\": {\"content\": {\"application/json\": {\"schema\": {\"type\": [\"string\", \"null\"], \"enum\": [\"\\u00e9\\/\", null]}}}}, \"responses\": {}}}}\n}\n";
    let document = document(text);
    let request = document.operations[0].request.as_ref().and_then(|request| request.json()).expect("a schema");
    assert_eq!(render(request), json!({"anyOf": [{"type": "string", "enum": ["é/"]}, {"type": "null"}]}));
}

#[test]
fn what_cannot_be_read_is_named_with_its_place_and_the_rest_is_used() {
    let text = "openapi: 3.1.0
paths:
  /a/{id}.json: {get: {responses: {}}}
  /b:
    get:
      parameters: [{name: q}]
      responses:
        '20': {}
        '200': {content: {application/json: {schema: {$ref: '#/components/schemas/Gone'}}}}
        '201': {content: {application/json: {schema: {$ref: 'https://x.example/y'}}}}
        '202': {content: {application/json: {schema: {type: strin, minLength: x}}}}
        '203': {content: {application/json: {schema: {properties: {}}}}}
        '204': {$ref: 'none.yaml#/r'}
";
    let (document, findings) = outcome(&[("o.yaml", text)]);
    let expected = [
        "o.yaml:3:3: warning: the path \"/a/{id}.json\" is left out:",
        "o.yaml:6:20: error: the parameter does not say where it is; add in:",
        "o.yaml:8:9: error: \"20\" is no status; write a status",
        "o.yaml:9:61: error: \"#/components/schemas/Gone\" leads to nothing in o.yaml;",
        "o.yaml:10:61: error: \"https://x.example/y\" leads to another host;",
        "o.yaml:11:61: error: there is no type \"strin\"; types are null,",
        "o.yaml:12:54: warning: the schema has keywords of an object and no type; it is taken as one; add type: object",
        "o.yaml:13:23: error: cannot read the OpenAPI file none.yaml:",
    ];
    assert_eq!(findings.len(), expected.len(), "{findings:#?}");
    for (finding, expected) in findings.iter().zip(expected) {
        assert!(finding.starts_with(expected), "{finding}\n{expected}");
    }
    assert_eq!(document.expect("the rest").operations.len(), 1);
}

#[test]
fn what_is_no_openapi_document_says_so() {
    for (text, expected) in [
        ("swagger: '2.0'\n", "o.yaml:1:10: error: Swagger 2.0 is not read; write openapi: 3.1.0"),
        ("openapi: 3.2.0\n", "o.yaml:1:10: error: OpenAPI 3.2.0 is not read"),
        ("a: 1\n", "o.yaml:1:1: error: this is no OpenAPI document: it has no `openapi` key"),
        ("openapi: 3.1.0\n", "o.yaml:1:1: error: the OpenAPI document has no `paths`"),
        ("{", "o.yaml:"),
    ] {
        let (_, findings) = outcome(&[("o.yaml", text)]);
        assert!(findings[0].starts_with(expected), "{findings:?}");
    }
}

#[test]
fn recursive_schemas_are_read_and_circles_are_doubts() {
    let recursive = document(
        "openapi: 3.1.0
paths: {/a: {get: {responses: {'200': {content: {application/json: {schema: {$ref: '#/components/schemas/Tree'}}}}}}}}
components:
  schemas:
    Tree: {type: object, properties: {left: {$ref: '#/components/schemas/Tree'}, me: {allOf: [{$ref: '#/components/schemas/Me'}, {type: object}]}}}
    Me: {allOf: [{$ref: '#/components/schemas/Me'}]}
",
    );
    let tree = recursive.definitions[0].schema().expect("read").object().expect("an object");
    assert_eq!(tree.fields[0].schema.opened().object().expect("an object"), tree);
    assert!(!tree.fields[1].schema.doubts.is_empty());
}

#[test]
fn a_discriminator_tells_the_parts_of_a_union_apart() {
    let read = document(
        "openapi: 3.0.0
paths: {/a: {get: {responses: {'200': {content: {application/json: {schema: {
  oneOf: [{$ref: '#/components/schemas/Cat'}, {$ref: '#/components/schemas/Dog'}],
  discriminator: {propertyName: kind, mapping: {dog: '#/components/schemas/Dog'}}}}}}}}}}
components:
  schemas:
    Cat: {type: object, properties: {kind: {type: string}, lives: {type: integer}}}
    Dog: {type: object, required: [kind], properties: {kind: {type: string}}}
",
    );
    let pet = read.operations[0].response(200).and_then(|response| response.content.json()).expect("a schema");
    assert!(pet.doubts.is_empty(), "{:?}", pet.doubts);
    assert_eq!(
        render(pet),
        json!({"anyOf": [
            {"type": "object", "required": ["kind"], "properties": {"kind": {"type": "string", "enum": ["Cat"]}, "lives": {"type": "integer"}}},
            {"type": "object", "required": ["kind"], "properties": {"kind": {"type": "string", "enum": ["dog"]}}},
        ]})
    );
}

#[test]
fn keywords_beside_a_reference_count_in_3_1_and_not_in_3_0() {
    let text = |version: &str| {
        format!(
            "openapi: {version}
paths: {{/a: {{get: {{responses: {{'200': {{content: {{application/json: {{schema: {{$ref: '#/components/schemas/T', maxLength: 3}}}}}}}}}}}}}}}}
components: {{schemas: {{T: {{type: string, minLength: 1}}}}}}
"
        )
    };
    let read = |version| {
        let document = document(&text(version));
        render(
            &document.operations[0].response(200).and_then(|response| response.content.json()).expect("one").opened(),
        )
    };
    assert_eq!(read("3.0.3"), json!({"type": "string", "minLength": 1}));
    assert_eq!(read("3.1.0"), json!({"type": "string", "minLength": 1, "maxLength": 3}));
}

#[test]
fn null_is_spelled_in_several_ways() {
    for text in [
        "{type: string, nullable: true}",
        "{type: [string, 'null']}",
        "{type: [string, null]}",
        "{anyOf: [{type: string}, {type: 'null'}]}",
        "{allOf: [{type: string}], nullable: true}",
        "{oneOf: [{type: string}, {const: null}]}",
    ] {
        assert_eq!(render(&schema(text)), json!({"anyOf": [{"type": "string"}, {"type": "null"}]}), "{text}");
    }
    assert!(!schema("{type: string, nullable: true, enum: [a]}").is_nullable());
    assert!(schema("{type: string, nullable: true, enum: [a, null]}").is_nullable());
}

#[test]
fn a_value_has_to_be_what_const_and_enum_permit() {
    assert_eq!(render(&schema("{const: 1, enum: [0, 1.0]}")), json!({"type": "integer", "enum": [1.0]}));
    assert_eq!(render(&schema("{const: 1, enum: [0, 3]}")), json!(false));
    assert_eq!(render(&schema("{const: {a: 1}, enum: [{a: 2}]}")), json!(false));
}

#[test]
fn unevaluated_properties_are_followed_where_it_is_plain_what_is_left() {
    let text = "{allOf: [{type: object, required: [a], properties: {a: {type: string}}}, {properties: {b: {}}}], unevaluatedProperties: REST}";
    let with = |rest: &str| schema(&text.replace("REST", rest));
    let plain = |rest: serde_json::Value| json!({"type": "object", "required": ["a"], "properties": {"a": {"type": "string"}, "b": true}, "additionalProperties": rest});
    assert_eq!(render(&with("false")), plain(json!(false)));
    assert_eq!(render(&with("{type: integer}")), plain(json!({"type": "integer"})));
    assert!(with("false").doubts.is_empty());
    let read = document(
        "openapi: 3.1.0
paths: {/a: {get: {responses: {'200': {content: {application/json: {schema: {
  $ref: '#/components/schemas/Base', properties: {b: {}}, unevaluatedProperties: false}}}}}}}}
components: {schemas: {Base: {type: object, properties: {a: {type: string}}}}}
",
    );
    let merged = read.operations[0].response(200).and_then(|response| response.content.json()).expect("a schema");
    assert_eq!(
        render(merged),
        json!({"type": "object", "properties": {"a": {"type": "string"}, "b": true}, "additionalProperties": false})
    );
    for more in [
        "additionalProperties: true",
        "anyOf: [{type: object, properties: {c: {}}}, {type: object}]",
        "patternProperties: {x: {}}",
    ] {
        let doubtful = schema(&format!("{{type: object, allOf: [{{{more}}}], unevaluatedProperties: false}}"));
        assert!(doubtful.doubts.iter().any(|doubt| doubt.keyword == "unevaluatedProperties"), "{more}");
    }
    // Nobody evaluates what is only required.
    assert_eq!(
        render(&schema("{type: object, required: [z], unevaluatedProperties: false}"))["properties"],
        json!({"z": false})
    );
}

#[test]
fn parts_without_a_kind_on_either_side_are_taken_as_one_aloud() {
    let read = |schema: &str| {
        let text = format!(
            "openapi: 3.1.0\npaths: {{/a: {{get: {{responses: {{'200': {{content: {{application/json: {{schema: {schema}}}}}}}}}}}}}}}\n"
        );
        outcome(&[("o.yaml", &text)]).1.len()
    };
    assert_eq!(read("{oneOf: [{required: [a]}, {type: string}]}"), 1);
    assert_eq!(read("{type: object, oneOf: [{required: [a]}, {required: [b]}]}"), 0);
    assert_eq!(read("{allOf: [{properties: {a: {}}}, {properties: {b: {}}}]}"), 1);
    assert_eq!(read("{allOf: [{type: object}, {properties: {b: {}}}]}"), 0);
}
