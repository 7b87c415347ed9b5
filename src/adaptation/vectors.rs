//! The project's examples of every op, `tests/vectors/adaptation.yaml`: its first lines explain
//! the notation. Whole messages (H) are tried on sockets, what the static check says (C) beside the proof.

use std::{fmt::Write as _, path::Path};

use bytes::Bytes;

use super::{
    change::{Change, Direction},
    op::Edit,
    plan::{Lookup, Plan},
    program::{Mode, Program},
    scalar,
    scan::{self, Touch},
    tree::Node as Json,
};
use crate::{
    config::{
        changes,
        tree::{self, Node},
    },
    domain::version::ApiVersion,
};

#[test]
fn every_example_of_an_op_holds_in_every_direction() {
    let mut tried = 0;
    for vector in vectors('B') {
        let id = text(&vector, "id");
        let ops = vector.get("ops").expect("ops");
        let mut findings = Vec::new();
        let edits = changes::read_list(ops, &mut findings);
        assert!(findings.is_empty(), "{id}: {findings:?}");
        run(&id, &vector, &|direction, body, mode| one_list(&edits, direction, body, mode));
        tried += 1;
    }
    assert!(tried >= 29, "only {tried} vectors were tried");
}

#[test]
fn the_query_parser_examples_hold_through_the_whole_chain() {
    let changes = query_parser();
    for vector in vectors('Q') {
        let chain: Vec<&str> = list(&vector, "chain").iter().filter_map(Node::text).collect();
        let (old, new) = (version(chain[0]), version(chain[1]));
        let between: Vec<&Change> = changes.iter().filter(|change| change.from >= old && change.to <= new).collect();
        let upward: Vec<_> = between.iter().map(|change| (*change, Direction::Up)).collect();
        let downward: Vec<_> = between.iter().rev().map(|change| (*change, Direction::Down)).collect();
        let side = text(&vector, "side");
        run(&text(&vector, "id"), &vector, &|direction, body, mode| {
            // A response goes up where its request went down.
            let request_up = (direction == Direction::Up) == (side == "request");
            let (walk, client) = if request_up { (&upward, &old) } else { (&downward, &new) };
            let plan = Plan::compile(walk, client);
            let Lookup::Operation(operation) = plan.operation("POST", "/parse") else { panic!("no such operation") };
            let program = if side == "request" { operation.request() } else { operation.response(200) };
            let adapted = program.expect("a program").apply(body, mode);
            adapted.map(|adapted| adapted.body).map_err(|error| error.reason.as_str().to_owned())
        });
    }
}

type Adapt<'a> = &'a dyn Fn(Direction, &Bytes, Mode) -> Result<Bytes, String>;

fn one_list(edits: &[Edit], direction: Direction, body: &Bytes, mode: Mode) -> Result<Bytes, String> {
    let program = Program::fuse([("c", edits, direction)]).expect("a vector has an op");
    program.apply(body, mode).map(|adapted| adapted.body).map_err(|error| error.reason.as_str().to_owned())
}

/// Tries everything one vector promises.
fn run(id: &str, vector: &Node, adapt: Adapt<'_>) {
    let tokens = vector.get("cmp").and_then(Node::text) == Some("tokens");
    let mode = if vector.get("partial").is_some() { Mode::Patch } else { Mode::Whole };
    let check = |direction, from: &str, to: &str| {
        let seen = adapt(direction, &Bytes::copy_from_slice(from.as_bytes()), mode);
        let seen = seen.map(|body| String::from_utf8(body.to_vec()).expect("UTF-8"));
        match (to.strip_prefix('!'), &seen) {
            (Some(reason), Err(seen)) => assert_eq!(seen, reason, "{id} {direction:?} {from}"),
            (None, Ok(seen)) if tokens => assert_eq!(squeezed(seen), squeezed(to), "{id} {direction:?} {from}"),
            (None, Ok(seen)) => assert_eq!(sorted(seen), sorted(to), "{id} {direction:?} {from}"),
            _ => panic!("{id} {direction:?} {from}: expected {to}, got {seen:?}"),
        }
    };
    for pair in pairs(vector, "iso") {
        check(Direction::Up, pair.0, pair.1);
        check(Direction::Down, pair.1, pair.0);
    }
    for pair in pairs(vector, "up") {
        check(Direction::Up, pair.0, pair.1);
    }
    for pair in pairs(vector, "down") {
        check(Direction::Down, pair.0, pair.1);
    }
    for (depth, accepted) in pairs(vector, "depth") {
        let depth: usize = depth.parse().expect("a number");
        let nested = "[".repeat(depth) + &"]".repeat(depth);
        let expected = if accepted == "yes" { nested.as_str() } else { "!depth" };
        check(Direction::Up, &nested, expected);
    }
}

fn vectors(kind: char) -> Vec<Node> {
    let file = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/adaptation.yaml"));
    let read = std::fs::read_to_string(file).expect("the vectors are part of the repository");
    let root = tree::parse(&read, file).expect("valid YAML");
    let wanted: Vec<_> =
        root.list().expect("a list").iter().filter(|vector| text(vector, "id").starts_with(kind)).cloned().collect();
    assert!(!wanted.is_empty());
    wanted
}

/// ADAPTATION section 3.
fn query_parser() -> Vec<Change> {
    let file = Path::new("changes.yaml");
    let yaml = r#"
- change: qp-1.5-context
  from: "1.0"
  to: "1.5"
  shapes:
    ParseRequest:
      - add: {path: /context, value: {user_id: null, database_schema: null}}
    ParseResponse:
      - add: {path: /intent}
      - add: {path: /entities, value: []}
  operations:
    - {match: POST /parse, request: [{use: ParseRequest}], response: {2xx: [{use: ParseResponse}]}}
    - {match: POST /parse/batch, since: "1.5"}
- change: qp-2.0-multimodal
  from: "1.5"
  to: "2.0"
  shapes:
    ParseRequest:
      - nest: {into: input, members: {text: query, context: context}}
      - add: {path: /input/voice}
    ParseResponse:
      - remove: {path: /intent}
        lossy: {down: "2.0 no longer computes intent"}
      - remove: {path: /entities, down: {value: []}}
        lossy: {down: "2.0 no longer extracts entities"}
      - nest: {into: query, members: [sql, confidence], rest: drop}
      - add: {path: /query/alternatives, value: []}
      - add: {path: /metadata, value: {}}
  operations:
    - {match: POST /parse, request: [{use: ParseRequest}], response: {2xx: [{use: ParseResponse}]}}
    - {match: POST /parse/batch, request: [{at: '/items/[]', use: ParseRequest}], response: {2xx: [{at: '/results/[]', use: ParseResponse}]}}
    - {match: POST /parse/voice, since: "2.0"}
- {change: qp-2.1-compatible, from: "2.0", to: "2.1", operations: []}
"#;
    let root = tree::parse(yaml, file).expect("valid YAML");
    let (mut files, mut findings) = (Vec::new(), Vec::new());
    let changes = changes::read(&root, Path::new("."), &mut files, &mut findings);
    let changes: Vec<_> = changes.into_iter().map(|(change, _)| change).collect();
    assert!(findings.is_empty(), "{findings:?}");
    changes
}

fn version(text: &str) -> ApiVersion {
    ApiVersion::parse(text).expect("a version")
}

fn text(vector: &Node, key: &str) -> String {
    vector.get(key).and_then(Node::text).expect("a text").to_owned()
}

fn list<'n>(vector: &'n Node, key: &str) -> &'n [Node] {
    vector.get(key).and_then(Node::list).unwrap_or_default()
}

fn pairs<'n>(vector: &'n Node, key: &str) -> Vec<(&'n str, &'n str)> {
    let pair = |node: &'n Node| {
        let items = node.list().expect("a pair");
        (items[0].text().expect("a text"), items[1].text().expect("a text"))
    };
    list(vector, key).iter().map(pair).collect()
}

/// The text without insignificant whitespace.
fn squeezed(json: &str) -> String {
    let (mut out, mut inside, mut escaped) = (String::new(), false, false);
    for character in json.chars() {
        if inside || !character.is_whitespace() {
            out.push(character);
        }
        inside ^= character == '"' && !escaped;
        escaped = inside && character == '\\' && !escaped;
    }
    out
}

/// The value with members sorted and strings unescaped; numbers as they are spelled.
pub(super) fn sorted(json: &str) -> String {
    fn show(node: &mut Json<'_>, out: &mut String) {
        if let Some(object) = node.object() {
            let member = |member: &mut super::tree::Member<'_>| {
                let mut text = format!("{:?}:", scalar::unquote(member.key.text).expect("a key"));
                show(&mut member.value, &mut text);
                text
            };
            let mut members: Vec<String> = object.members.iter_mut().map(member).collect();
            members.sort();
            let _ = write!(out, "{{{}}}", members.join(","));
        } else if let Some(array) = node.array() {
            out.push('[');
            array.items.iter_mut().for_each(|item| {
                show(item, out);
                out.push(',');
            });
            out.push(']');
        } else {
            let text = node.text().expect("a scalar");
            match scalar::unquote(text) {
                Some(string) => write!(out, "{string:?}"),
                None => write!(out, "{}", String::from_utf8_lossy(text)),
            }
            .expect("writing to a string");
        }
    }
    let mut out = String::new();
    show(&mut scan::read(json.as_bytes(), &Touch::default()).expect("valid JSON"), &mut out);
    out
}
