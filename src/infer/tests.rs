//! What is inferred from pairs of examples, and the law that running it gives the newer ones.

use proptest::{collection::vec, prelude::*, sample::select};

use super::*;

fn examples(pairs: &[(&str, &str)]) -> Examples {
    let mut examples = Examples::default();
    for (older, newer) in pairs {
        examples.add(older, newer).unwrap_or_else(|(_, error)| panic!("{older} {newer}: {error}"));
    }
    examples
}

/// The ops, each with its `at` before it and its loss behind it.
fn ops(pairs: &[(&str, &str)]) -> Vec<String> {
    let examples = examples(pairs);
    let proposal = infer(&examples, Side::Request);
    assert_eq!(proposal.missing, Vec::<String>::new(), "{proposal:?}");
    let older: Vec<Json> = examples.pairs.iter().map(|(older, _)| older.clone()).collect();
    let made = lines::run(&proposal.lines, Side::Request, &older).expect("the proposal runs");
    for (made, (_, newer)) in made.iter().zip(&examples.pairs) {
        assert!(made.same(newer), "{} is not {}", made.text(), newer.text());
    }
    let shown = |line: &Line| {
        let at = if line.at.is_empty() { String::new() } else { format!("at {}: ", line.at) };
        let lossy = line.lossy.as_ref().map(|(direction, _)| format!(" lossy {direction}")).unwrap_or_default();
        format!("{at}{}{lossy}", line.op)
    };
    proposal.lines.iter().map(shown).collect()
}

#[track_caller]
fn found(older: &str, newer: &str, expected: &[&str]) {
    assert_eq!(ops(&[(older, newer)]), expected, "{older} {newer}");
}

#[test]
fn nothing_differs() {
    found(r#"{"a":1,"b":[{}]}"#, r#"{"b":[{}],"a":1}"#, &[]);
}

#[test]
fn a_value_under_another_name_is_a_rename() {
    found(r#"{"query":"find me"}"#, r#"{"text":"find me"}"#, &["rename: {query: text}"]);
    found(r#"{"userId":1,"b":2}"#, r#"{"user_id":1,"b":2}"#, &["rename: {userId: user_id}"]);
    let old = r#"{"user":{"first_name":"Ann","mail":"a@x"}}"#;
    found(
        old,
        r#"{"user":{"given_name":"Ann","email":"a@x"}}"#,
        &["at /user: rename: {first_name: given_name, mail: email}"],
    );
    let all = ["rename: {user: account}", "at /account: rename: {first_name: first}"];
    found(old, r#"{"account":{"first":"Ann","mail":"a@x"}}"#, &all);
    found(r#"{"a":"left","b":"right"}"#, r#"{"a":"right","b":"left"}"#, &["rename: {a: b, b: a}"]);
    found(r#"{"a":"left","b":"right"}"#, r#"{"b":"left","c":"right"}"#, &["rename: {a: b, b: c}"]);
}

#[test]
fn a_name_alike_is_a_rename_even_where_the_value_changed() {
    let proposal = infer(&examples(&[(r#"{"colour":"red"}"#, r#"{"color":"RED"}"#)]), Side::Request);
    assert_eq!(proposal.ops(), ["rename: {colour: color}", "map: {path: /color, pairs: [[red, RED]]}"]);
    assert!(proposal.doubts()[0].contains("names alone"), "{:?}", proposal.doubts());
}

#[test]
fn members_go_into_an_object_and_out_of_it() {
    let flat = r#"{"query":"find me","context":{"user":7},"id":1}"#;
    let nested = r#"{"input":{"text":"find me","context":{"user":7}},"id":1}"#;
    found(flat, nested, &["nest: {into: input, members: {text: query, context: context}}"]);
    found(nested, flat, &["unnest: {from: input, members: {text: query, context: context}}"]);
    found(
        r#"{"sql":"select","score":0.75}"#,
        r#"{"query":{"sql":"select","score":0.75}}"#,
        &["nest: {into: query, members: [sql, score]}"],
    );
    found(r#"{"name":"Ann Lee"}"#, r#"{"name":{"full":"Ann Lee"}}"#, &["nest: {into: name, members: {full: name}}"]);
    found(
        r#"{"a":{"kept":"word","gone":"thing"}}"#,
        r#"{"kept":"word"}"#,
        &[
            "unnest: {from: a, members: [kept], rest: keep}",
            "remove: {path: /a, down: {value: {gone: thing}}} lossy up",
        ],
    );
}

#[test]
fn a_value_elsewhere_is_a_move() {
    found(
        r#"{"a":{"b":"word","c":1}}"#,
        r#"{"a":{"c":1},"x":{"y":{"b":"word"}}}"#,
        &["move: {from: /a/b, to: /x/y/b}"],
    );
}

#[test]
fn a_string_is_cut_into_members_and_members_are_joined() {
    let (one, several) = (r#"{"addr":"db.local:5432","x":1}"#, r#"{"host":"db.local","port":"5432","x":1}"#);
    found(one, several, &["split: {from: addr, into: [host, port], sep: \":\"} lossy down"]);
    found(several, one, &["merge: {from: [host, port], into: addr, sep: \":\"} lossy up"]);
    let named = r#"{"u":{"name":"Ann Lee"}}"#;
    found(
        named,
        r#"{"u":{"first_name":"Ann","last_name":"Lee"}}"#,
        &["at /u: split: {from: name, into: [first_name, last_name], sep: \" \"} lossy down"],
    );
    found(
        r#"{"d":"2026-11-21"}"#,
        r#"{"y":"2026","m":"11","t":"21"}"#,
        &["split: {from: d, into: [\"y\", m, t], sep: \"-\"} lossy down"],
    );
    // Two examples have to agree on what stands between the parts.
    let pairs = [(r#"{"a":"x:y"}"#, r#"{"b":"x","c":"y"}"#), (r#"{"a":"x/y"}"#, r#"{"b":"x","c":"y"}"#)];
    assert!(!infer(&examples(&pairs), Side::Request).ops().iter().any(|op| op.starts_with("split")));
}

#[test]
fn values_of_a_map_are_changed_whatever_their_names() {
    found(
        r#"{"prices":{"eur":{"amount":"12.99"},"usd":{"amount":"14.50"}}}"#,
        r#"{"prices":{"eur":{"value":12.99},"usd":{"value":14.50}}}"#,
        &["at /prices/{}: rename: {amount: value}", "convert: {path: \"/prices/{}/value\", from: string, to: number}"],
    );
    let pairs = [(r#"{"m":{"a":"1"}}"#, r#"{"m":{"a":1}}"#), (r#"{"m":{"b":"2","c":"3"}}"#, r#"{"m":{"b":2,"c":3}}"#)];
    assert_eq!(ops(&pairs), ["convert: {path: \"/m/{}\", from: string, to: integer}"]);
    // The same names every time are members like any others.
    found(r#"{"m":{"a":"1"}}"#, r#"{"m":{"a":1}}"#, &["convert: {path: /m/a, from: string, to: integer}"]);
}

#[test]
fn a_name_with_a_slash_is_no_pointer() {
    found(r#"{"/f":"word"}"#, r#"{"o":{"/f":"word"}}"#, &["move: {from: /~1f, to: /o/~1f}"]);
}

#[test]
fn where_a_program_would_be_needed_a_comment_says_so() {
    let head =
        Head { change: "c".into(), from: "1".into(), to: "2".into(), operation: "POST /p".into(), side: Side::Request };
    let uneven = infer(&examples(&[(r#"{"a":[1,2]}"#, r#"{"a":[3]}"#)]), Side::Request);
    assert_eq!(uneven.missing, ["/a"]);
    let text = uneven.write(&head);
    assert!(text.contains("# not reached: no op explains /a\n#   if it can be computed: - jq: {at: "), "{text}");
    let other = infer(&examples(&[(r#"{"a":{"b":"x"}}"#, r#"{"a":"x and y"}"#)]), Side::Request).write(&head);
    assert!(
        other.contains(
            r#"# unsure: if it can be computed, a program can: jq: {at: /a, up: "…", down: "…", examples: ["#
        ),
        "{other}"
    );
}

#[test]
fn other_forms_of_one_value_are_told_apart() {
    for (older, newer, op) in [
        (r#"{"a":"17"}"#, r#"{"a":17}"#, "convert: {path: /a, from: string, to: integer}"),
        (r#"{"a":"1.50"}"#, r#"{"a":1.50}"#, "convert: {path: /a, from: string, to: number}"),
        (
            r#"{"a":12345678901234567890123}"#,
            r#"{"a":"12345678901234567890123"}"#,
            "convert: {path: /a, from: integer, to: string}",
        ),
        (r#"{"a":true}"#, r#"{"a":1}"#, "convert: {path: /a, from: boolean, to: integer}"),
        (r#"{"a":"true"}"#, r#"{"a":true}"#, "convert: {path: /a, from: string, to: boolean}"),
        (r#"{"a":"x"}"#, r#"{"a":["x"]}"#, "wrap: {path: /a}"),
        (r#"{"a":{"b":1}}"#, r#"{"a":[{"b":1}]}"#, "wrap: {path: /a}"),
        (r#"{"a":["x"]}"#, r#"{"a":"x"}"#, "unwrap: {path: /a}"),
        (r#"{"a":["x","y"]}"#, r#"{"a":"y"}"#, "unwrap: {path: /a, many: last} lossy up"),
        (r#"{"a":"open"}"#, r#"{"a":"OPEN"}"#, "map: {path: /a, pairs: [[open, OPEN]]}"),
        (r#"{"a":["x","z"]}"#, r#"{"a":["x","w"]}"#, "map: {path: \"/a/[]\", pairs: [[z, w]]}"),
        (r#"{"a":null}"#, r#"{"a":[1]}"#, "add: {path: /a, value: [1], if_null: replace}"),
    ] {
        found(older, newer, &[op]);
    }
}

#[test]
fn tables_are_made_of_all_examples() {
    let pairs = [(r#"{"s":"a"}"#, r#"{"s":"A"}"#), (r#"{"s":"b"}"#, r#"{"s":"B"}"#), (r#"{"s":"c"}"#, r#"{"s":"c"}"#)];
    assert_eq!(ops(&pairs), ["map: {path: /s, pairs: [[a, A], [b, B]]}"]);
    let pairs = [(r#"{"s":"a"}"#, r#"{"s":"X"}"#), (r#"{"s":"b"}"#, r#"{"s":"X"}"#)];
    assert_eq!(ops(&pairs), ["map: {path: /s, pairs: [[a, X], [b, X]]} lossy up"]);
    // The same value became two: no table can say that.
    let pairs = examples(&[(r#"{"s":"a"}"#, r#"{"s":"X"}"#), (r#"{"s":"a"}"#, r#"{"s":"Y"}"#)]);
    assert_eq!(infer(&pairs, Side::Request).missing, ["/s"]);
}

#[test]
fn elements_of_an_array_are_handled_together() {
    found(
        r#"{"items":[{"qty":"1","sku":"A1"},{"qty":"2","sku":"B2"}],"n":2}"#,
        r#"{"items":[{"quantity":1,"sku":"A1","tags":[]},{"quantity":2,"sku":"B2","tags":[]}],"n":2}"#,
        &[
            "at /items/[]: rename: {qty: quantity}",
            "convert: {path: \"/items/[]/quantity\", from: string, to: integer}",
            "at /items/[]: add: {path: /tags, value: []}",
        ],
    );
    found(r#"[{"a":{"b":[{"cc":"word"}]}}]"#, r#"[{"a":{"b":[{"dd":"word"}]}}]"#, &["at /[]/a/b/[]: rename: {cc: dd}"]);
}

#[test]
fn what_only_one_version_has_is_added_or_removed() {
    found(r#"{"a":1}"#, r#"{"a":1,"context":{"user":null}}"#, &["add: {path: /context, value: {user: null}}"]);
    found(r#"{"a":1,"debug":true}"#, r#"{"a":1}"#, &["remove: {path: /debug, down: {value: true}} lossy up"]);
    let pairs = [(r#"{"a":1,"debug":true}"#, r#"{"a":1}"#), (r#"{"a":1}"#, r#"{"a":1}"#)];
    assert_eq!(ops(&pairs), ["remove: {path: /debug} lossy up"], "an optional member has no value to come back with");
    let pairs = examples(&[(r#"{"a":1}"#, r#"{"a":1,"note":"x"}"#), (r#"{"a":1}"#, r#"{"a":1}"#)]);
    assert_eq!(infer(&pairs, Side::Request).ops(), ["add: {path: /note}"]);
}

#[test]
fn what_no_op_can_do_is_said() {
    let proposal = infer(&examples(&[(r#"{"l":[1,2],"a":"x"}"#, r#"{"l":[1,2,3],"b":"x"}"#)]), Side::Request);
    assert_eq!(proposal.missing, ["/l"]);
}

#[test]
fn a_proposal_is_a_change_file_with_its_doubts() {
    let pairs = examples(&[(
        r#"{"query":"find me","debug":true,"state":"open"}"#,
        r#"{"text":"find me","state":"OPEN","limit":20}"#,
    )]);
    let head = Head {
        change: "qp-2.0".to_owned(),
        from: "1.5".to_owned(),
        to: "2.0".to_owned(),
        operation: "POST /parse".to_owned(),
        side: Side::Request,
    };
    let expected = r##"# Proposed by `vergate infer`. Read it, correct it, and let `vergate check` look at it.
# Where `lossy` says FILL IN, write why the loss is right; the reason goes to the changelog.
change: qp-2.0
from: "1.5"
to: "2.0"
operations:
  - match: "POST /parse"
    request:
      - rename: {query: text}
      # unsure: one value was seen; list all there are, or drop this op if the examples merely hold different data
      - map: {path: /state, pairs: [[open, OPEN]]}
      # unsure: on the way down it gets this value, which is the example's
      - remove: {path: /debug, down: {value: true}}
        lossy: {up: "FILL IN why /debug is discarded"}
      # unsure: on the way up it gets this value, which is the example's
      - add: {path: /limit, value: 20}
"##;
    assert_eq!(infer(&pairs, Side::Request).write(&head), expected);
    let response =
        infer(&examples(&[("{}", r#"{"a":[]}"#)]), Side::Response).write(&Head { side: Side::Response, ..head });
    assert!(response.ends_with("    response:\n      2xx:\n        - add: {path: /a, value: []}\n"), "{response}");
}

// ---- the law ------------------------------------------------------------------------------------------------------

fn scalar() -> impl Strategy<Value = String> {
    let some =
        ["null", "true", "17", "1.50", "0", "-3e2", "\"open\"", "\"a b\"", "\"42\"", "\"\"", "\"x~/y\"", "\"no\""];
    select(some.to_vec()).prop_map(str::to_owned)
}

fn value() -> impl Strategy<Value = String> {
    scalar().prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            vec((select(vec!["a", "b", "cc", "d~/e", "user id", "[]", "/f"]), inner.clone()), 0..4).prop_map(object),
            vec(inner, 0..3).prop_map(|items| format!("[{}]", items.join(","))),
        ]
    })
}

fn object(members: Vec<(&'static str, String)>) -> String {
    let mut seen: Vec<(&str, String)> = Vec::new();
    for (name, value) in members {
        if seen.iter().all(|(known, _)| *known != name) {
            seen.push((name, value));
        }
    }
    let members: Vec<_> = seen.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
    format!("{{{}}}", members.join(","))
}

fn change() -> impl Strategy<Value = String> {
    select(vec![
        "rename: {a: b, b: a}",
        "rename: {a: first_a}",
        "rename: {cc: \"user id\"}",
        "move: {from: /a, to: /b/x/y}",
        "move: {from: /b/a, to: /a}",
        "nest: {into: box, members: {x: a, y: b}}",
        "nest: {into: a, members: [a, cc]}",
        "unnest: {from: a, members: {cc: a_cc, b: b_b}}",
        "unnest: {from: b, members: [a, cc], rest: keep}",
        "add: {path: /fresh, value: {k: [1.50, \"no\"]}}",
        "add: {path: /a/fresh, value: null}",
        "remove: {path: /a}",
        "remove: {path: /b/cc}",
        "convert: {path: /a, from: string, to: number}",
        "convert: {path: /cc, from: number, to: string}",
        "convert: {path: /b, from: boolean, to: integer}",
        "map: {path: /a, pairs: [[open, OPEN]]}",
        "map: {path: /cc, pairs: [[open, 1], [17, true], [null, \"\"]]}",
        "wrap: {path: /a}",
        "unwrap: {path: /b, many: first}",
    ])
    .prop_map(str::to_owned)
}

/// What a change makes of a document; none where it refuses it.
fn changed(document: &str, ops: &[String]) -> Option<String> {
    let lossy = |op: &String| Line::new(String::new(), op.clone()).lossy("up", "a test".to_owned());
    let lines: Vec<Line> = ops.iter().map(lossy).collect();
    let document = Json::read(document).expect("a document");
    Some(lines::run(&lines, Side::Request, &[document])?.first()?.text())
}

/// Whether all elements of each array are the same.
fn is_even(value: &serde_json::Value) -> bool {
    match value {
        serde_json::Value::Array(items) => items.iter().all(|item| *item == items[0] && is_even(item)),
        serde_json::Value::Object(members) => members.values().all(is_even),
        _ => true,
    }
}

/// The errors of a configuration that uses a change between versions whose documents permit these bodies alone.
fn wrong(change: &str, older: &str, newer: &str) -> Vec<String> {
    use crate::{
        config::{Severity, load},
        domain::time::UtcTime,
        proof::{documents, prove},
    };
    let indented: String = change.lines().map(|line| format!("        {line}\n")).collect();
    let body = indented
        .trim_start()
        .lines()
        .skip_while(|line| line.trim_start().starts_with('#'))
        .collect::<Vec<_>>()
        .join("\n");
    let gateway = format!(
        "upstreams: {{u: http://h}}\napis:\n  a:\n    versions: {{\"1\": {{openapi: 1.yaml}}, \"2\": {{upstream: u, openapi: 2.yaml}}}}\n    changes:\n      - {}\n",
        body.trim_start()
    );
    let now = UtcTime::parse("2026-01-01").expect("a day");
    let outcome = load::read(&gateway, std::path::Path::new("g.yaml"), &|_| None, now);
    let Some(config) = outcome.config else { return outcome.findings.iter().map(ToString::to_string).collect() };
    let document = |body: &str| {
        format!(
            "openapi: 3.1.0\npaths:\n  /p:\n    post:\n      requestBody: {{content: {{application/json: {{schema: {{const: {body}}}}}}}}}\n"
        )
    };
    let (old, new) = (document(older), document(newer));
    let source =
        |path: &std::path::Path| Ok(if path.ends_with("1.yaml") { old.clone() } else { new.clone() }.into_bytes());
    let mut findings = Vec::new();
    let documents = documents::read(&config.apis[0], &outcome.origins[0], &source, &mut findings);
    let subject = prove::Subject {
        api: &config.apis[0],
        changes: &config.changes[0],
        origins: &outcome.origins[0],
        documents: &documents,
    };
    findings.extend(prove::api(subject));
    findings.iter().filter(|found| found.severity == Severity::Error).map(ToString::to_string).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn what_is_inferred_makes_the_newer_document_of_the_older(
        members in vec((select(vec!["a", "b", "cc", "user id"]), value()), 1..5),
        ops in vec(change(), 1..4),
    ) {
        let older = object(members);
        // A pointer takes such a name for every element.
        prop_assume!(!older.contains("\"[]\""));
        let Some(newer) = changed(&older, &ops) else { return Ok(()) };
        let pairs = examples(&[(&older, &newer)]);
        let proposal = infer(&pairs, Side::Request);
        // No op makes an array longer or shorter, and a change may have put another one at the place.
        let arrays = |place: &String| {
            let path: Vec<&str> = place.split('/').skip(1).collect();
            let newer = Json::read(&newer).expect("JSON");
            let found = path.iter().try_fold(&newer, |value, name| value.get(&name.replace("~1", "/").replace("~0", "~")));
            found.is_some_and(|value| value.kind() == Kind::Array) || place.contains("/[]")
        };
        prop_assume!(proposal.missing.is_empty() || !proposal.missing.iter().all(arrays));
        prop_assert_eq!(&proposal.missing, &Vec::<String>::new(), "{} {}", older, newer);
        let head = Head { change: "c".into(), from: "1".into(), to: "2".into(), operation: "POST /p".into(), side: Side::Request };
        let made = lines::run(&proposal.lines, Side::Request, &[Json::read(&older).expect("JSON")]).expect("it runs");
        prop_assert!(made[0].same(&Json::read(&newer).expect("JSON")), "{} {}\n{}", older, newer, proposal.write(&head));
    }

    #[test]
    fn what_is_proposed_loads_and_is_proven_for_what_it_was_made_of(
        members in vec((select(vec!["a", "b", "cc", "user id"]), value()), 1..5),
        ops in vec(change(), 1..4),
    ) {
        let older = object(members);
        prop_assume!(!older.contains("\"[]\"") && !older.contains("\"{}\""));
        let read: serde_json::Value = serde_json::from_str(&older).expect("JSON");
        // Of an array with different elements, a schema does not say which stands where; nor how a number is spelled.
        let as_spelled = Json::read(&read.to_string()).is_ok_and(|plain| plain.same(&Json::read(&older).expect("JSON")));
        prop_assume!(is_even(&read) && as_spelled);
        let Some(newer) = changed(&older, &ops) else { return Ok(()) };
        let proposal = infer(&examples(&[(&older, &newer)]), Side::Request);
        prop_assume!(proposal.missing.is_empty());
        let head = Head { change: "c".into(), from: "1".into(), to: "2".into(), operation: "POST /p".into(), side: Side::Request };
        let change = proposal.write(&head);
        let wrong = wrong(&change, &older, &newer);
        prop_assert!(wrong.is_empty(), "{} {}\n{}\n{:#?}", older, newer, change, wrong);
    }

    #[test]
    fn any_two_documents_give_a_proposal_that_can_be_read(older in value(), newer in value()) {
        let proposal = infer(&examples(&[(&older, &newer)]), Side::Response);
        let made = lines::run(&proposal.lines, Side::Response, &[Json::read(&older).expect("JSON")]);
        let reached = made.is_some_and(|made| made[0].same(&Json::read(&newer).expect("JSON")));
        prop_assert_eq!(reached, proposal.missing.is_empty(), "{} {}: {:?}", older, newer, proposal);
    }
}
