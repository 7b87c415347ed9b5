//! Every way a change can be wrong, with its code.

use super::*;

fn findings_of(yaml: &str) -> Vec<Finding> {
    let root = tree::parse(yaml, Path::new("gateway.yaml")).unwrap_or_else(|findings| panic!("{yaml}: {findings:?}"));
    let mut findings = Vec::new();
    read(&root, Path::new("."), &mut Vec::new(), &mut findings);
    findings
}

fn codes_of_operation(operation: &str) -> Vec<&'static str> {
    let yaml = format!("[{{change: c, from: '1.0', to: '2.0', operations: [{operation}]}}]");
    findings_of(&yaml).iter().map(|finding| finding.code).collect()
}

fn codes_of_op(op: &str) -> Vec<&'static str> {
    codes_of_operation(&format!("{{match: POST /p, request: [{op}]}}"))
}

#[test]
fn sound_ops_are_read_without_a_finding() {
    for op in [
        "rename: {a: b, b: a}",
        "move: {from: a, to: /b/c}, strict: true, conflict: error",
        "nest: {into: i, members: {x: y}, rest: keep, always: true, mismatch: error}",
        "unnest: {from: /n, members: [x, /y]}",
        "add: {path: /a, value: null, if_null: replace}, conflict: replace",
        "remove: {path: /a, down: {value: {k: [1.50, yes]}}}, lossy: {up: gone, down: made up}",
        "convert: {path: '', from: string, to: number, on_error: null}",
        "map: {path: '/xs/[]', pairs: [[1, low], [null, none]], up_else: error, down_else: {value: 0}}",
        "wrap: {path: /t, many: first, empty: null, if_null: empty}, lossy: {down: why}",
        "unwrap: {path: '/m/{}', empty: absent}",
        "at: '/a/[]/b', ops: [{rename: {a: b}}]",
        "when: {path: /t/k, in: [1, null, x]}, ops: [{rename: {a: b}}, {at: /c, add: {path: /k, value: 1}}]",
        "remove: {path: /a/b, down: {stash: t}}, lossy: {up: kept}",
        "scale: {path: '/a/[]', pow10: -3}",
        "split: {from: a, into: [b, c], sep: ' '}, lossy: {down: never}",
        "merge: {from: [b, c], into: a, sep: ' '}, lossy: {up: never}",
        "elem_wrap: {path: /a, key: k}",
        "index: {path: /a, key: k}",
        "drop_elems: {path: /a, by: /t/k, keep: [x, 1, null]}",
    ] {
        assert_eq!(codes_of_op(&format!("{{{op}}}")), Vec::<&str>::new(), "{op}");
    }
    assert!(
        codes_of_operation("{match: GET /p, headers: [{rename: {A: B}}], query: [{map: {name: s, pairs: [[a, 1]]}}]}")
            .is_empty()
    );
}

#[test]
fn what_is_wrong_with_an_op_is_found_by_code() {
    for (op, code) in [
        ("{renam: {a: b}}", "unknown-op"),
        ("{rename: {a: b}, move: {from: a, to: b}}", "one-op"),
        ("{at: /a}", "one-op"),
        ("rename", "wrong-type"),
        ("{rename: {}}", "wrong-type"),
        ("{rename: {a: b, c: b}}", "overlap"),
        ("{rename: {a: ~}}", "wrong-type"),
        ("{rename: {a: b}, at: items}", "bad-pointer"),
        ("{rename: {a: b}, at: /a~2}", "bad-pointer"),
        ("{rename: {a: b}, conflict: refuse}", "bad-value"),
        ("{rename: {a: b}, strict: maybe}", "bad-value"),
        ("{rename: {a: b}, lossy: {upp: x}}", "unknown-key"),
        ("{rename: {a: b}, when: {path: /t}}", "missing-key"),
        ("{rename: {a: b}, when: {path: /t, in: x}}", "wrong-type"),
        ("{rename: {a: b}, when: {path: /t, in: []}}", "op-type"),
        ("{rename: {a: b}, when: {path: /t, in: [[x]]}}", "op-type"),
        ("{rename: {a: b}, when: {path: '/t/[]', in: [x]}}", "bad-pointer"),
        ("{rename: {a: b}, when: {path: /b, in: [x]}}", "guard-changed"),
        ("{rename: {a: b}, when: {path: /a/c, in: [x]}}", "guard-changed"),
        ("{when: {path: /a/t, in: [x]}, at: /x, ops: [{at: '/{}', move: {from: /t, to: /u}}]}", "guard-changed"),
        ("{when: {path: /t, in: [x]}, nest: {into: i, members: [t]}}", "guard-changed"),
        ("{when: {path: /t, in: [x]}, map: {path: /t, pairs: [[x, y]]}}", "guard-changed"),
        ("{when: {path: /t, in: [null]}, move: {from: /a, to: /t/b}}", "guard-changed"),
        ("{move: {from: /a, to: a}}", "overlap"),
        ("{move: {from: '/a/[]', to: b}}", "bad-pointer"),
        ("{move: {from: /a}}", "missing-key"),
        ("{nest: {into: i, members: {}}}", "wrong-type"),
        ("{nest: {into: i, members: {a: x, b: x}}}", "overlap"),
        ("{nest: {into: i, members: {a: i}, rest: keep}}", "overlap"),
        ("{nest: {into: /a/b, members: [x]}}", "bad-pointer"),
        ("{nest: {into: a, members: {/x/y: z}}}", "bad-pointer"),
        ("{nest: {into: i, members: [x], reset: keep}}", "unknown-key"),
        ("{add: {path: ''}}", "deletes-element"),
        ("{add: {path: '/a/[]', value: 1}}", "deletes-element"),
        ("{add: {path: /a, if_null: replace}}", "missing-key"),
        ("{remove: {path: '/a/[]'}}", "deletes-element"),
        ("{remove: {path: '/m/{}'}}", "deletes-element"),
        ("{remove: {path: /a, down: {stash: t, value: 1}}, lossy: {up: x}}", "missing-key"),
        ("{remove: {path: '/a/[]/b', down: {stash: t}}, lossy: {up: x}}", "not-invertible"),
        ("{remove: {path: /a, down: 1}}", "wrong-type"),
        ("{convert: {path: /a, from: string, to: string}}", "op-type"),
        ("{convert: {path: /a, from: text, to: integer}}", "bad-value"),
        ("{convert: {path: /a, from: string, to: integer, on_error: drop}}", "bad-value"),
        ("{map: {path: /a, pairs: [[1]]}}", "op-type"),
        ("{map: {path: /a, pairs: [[1, [2]]]}}", "op-type"),
        ("{map: {path: /a}}", "missing-key"),
        ("{wrap: {path: '/xs/[]'}}", "deletes-element"),
        ("{at: '/xs/[]', unwrap: {path: ''}}", "deletes-element"),
        ("{wrap: {path: ''}}", "deletes-element"),
        ("{use: Shape}", "unknown-shape"),
        ("{scale: {path: /a, pow10: 0}}", "bad-value"),
        ("{scale: {path: /a, pow10: 1000}}", "bad-value"),
        ("{scale: {path: /a, pow10: 1.5}}", "bad-value"),
        ("{scale: {path: /a}}", "missing-key"),
        ("{split: {from: a, into: [b], sep: x}}", "op-type"),
        ("{split: {from: a, into: [b, b], sep: x}}", "overlap"),
        ("{split: {from: a, into: [b, c], sep: ''}}", "bad-value"),
        ("{split: {from: /x/a, into: [b, c], sep: x}}", "bad-pointer"),
        ("{merge: {from: a, into: b, sep: x}}", "wrong-type"),
        ("{elem_wrap: {path: /a}}", "missing-key"),
        ("{elem_wrap: {path: /a, key: /k/l}}", "bad-pointer"),
        ("{index: {path: a, key: k}}", "bad-pointer"),
        ("{drop_elems: {path: /a, by: /t, keep: []}}", "op-type"),
        ("{drop_elems: {path: /a, by: '/[]', keep: [x]}}", "bad-pointer"),
    ] {
        assert_eq!(codes_of_op(op), [code], "{op}");
    }
    assert!(codes_of_op("{at: '/xs/[]', wrap: {path: '', empty: null}}").is_empty());
}

#[test]
fn a_finding_names_the_op_and_the_place_it_is_about() {
    let about = |keys: &str| {
        let yaml =
            format!("[{{change: c, from: '1.0', to: '2.0', operations: [{{match: 'POST /p/{{id}}', {keys}}}]}}]");
        let findings = findings_of(&yaml);
        let [finding] = &findings[..] else { panic!("{keys}: {findings:#?}") };
        format!(
            "{} {} {}",
            finding.code,
            finding.op.as_deref().unwrap_or("-"),
            finding.pointer.as_deref().unwrap_or("-")
        )
    };
    for (keys, expected) in [
        ("request: [{at: /o, rename: {t: u}, when: {path: /t, in: [x]}}]", "guard-changed rename /o/t"),
        ("request: [{at: /o, rename: {a: c, b: c}}]", "overlap rename /o/c"),
        (
            "request: [{at: /o, ops: [{at: /i, merge: {from: [a, a], into: c, sep: x}, lossy: {up: y}}]}]",
            "overlap merge /o/i/a",
        ),
        ("request: [{at: /o, nest: {into: c, members: {a: x, b: x}}}]", "overlap nest /o/x"),
        ("request: [{at: /o, remove: {path: '/xs/[]'}, lossy: {up: r}}]", "deletes-element remove /o/xs/[]"),
        ("request: [{at: '/xs/[]', wrap: {path: ''}}]", "deletes-element wrap /xs/[]"),
        ("request: [{at: /o, jq: {at: /x, up: ., down: ., examples: []}}]", "opaque-without-examples jq /o/x"),
        ("request: [{remove: {path: /x}}]", "undeclared-loss remove /x"),
        ("headers: [{rename: {Content-Length: X}}]", "forbidden-header - content-length"),
        ("query: [{rename: {a: C, b: C}}]", "overlap - c"),
        ("to: 'POST /q/{id}/{name}'", "unbound-param - name"),
    ] {
        assert_eq!(about(keys), expected, "{keys}");
    }
    // A shape's ops are told where the shape works.
    let yaml = "[{change: c, from: '1.0', to: '2.0', shapes: {S: [{rename: {a: c, b: c}}]}, operations: [{match: POST /p, request: [{at: /o, use: S}]}]}]";
    assert_eq!(findings_of(yaml)[0].pointer.as_deref(), Some("/c"));
}

#[test]
fn a_reason_for_a_loss_says_something() {
    assert_eq!(codes_of_op("{remove: {path: /a}, lossy: {up: ''}}"), ["bad-value", "undeclared-loss"]);
    assert_eq!(codes_of_op("{remove: {path: /a}, lossy: {up: ' '}}"), ["bad-value", "undeclared-loss"]);
}

#[test]
fn data_that_both_versions_know_goes_only_with_a_reason() {
    let undeclared = |operation: &str| {
        let yaml = format!("[{{change: c, from: '1.0', to: '2.0', operations: [{operation}]}}]");
        let findings = findings_of(&yaml);
        assert!(findings.iter().all(|finding| finding.code == "undeclared-loss"), "{findings:?}");
        findings.iter().map(|finding| finding.pointer.clone().unwrap_or_default()).collect::<Vec<_>>()
    };
    let request = |op: &str| undeclared(&format!("{{match: POST /p, request: [{op}]}}"));
    let response = |op: &str| undeclared(&format!("{{match: POST /p, response: {{2xx: [{op}]}}}}"));
    for (op, direction, pointer) in [
        ("map: {path: '/x/[]', pairs: [[a, A], [b, A]]}", "up", "/x/[]"),
        ("map: {path: /x, pairs: [[a, A], [a, B]]}", "down", "/x"),
        ("wrap: {path: /x, many: first}", "down", "/x"),
        ("unwrap: {path: /x, many: last}", "up", "/x"),
        ("jq: {at: /x, up: ., down: none, examples: ['1']}", "down", "/x"),
    ] {
        let other = if direction == "up" { "down" } else { "up" };
        for list in [&request as &dyn Fn(&str) -> Vec<String>, &response] {
            assert_eq!(list(&format!("{{{op}}}")), [pointer], "{op}");
            assert_eq!(list(&format!("{{{op}, lossy: {{{other}: why}}}}")), [pointer], "{op}");
            assert_eq!(list(&format!("{{{op}, lossy: {{{direction}: why}}}}")), [] as [&str; 0], "{op}");
        }
    }
    assert_eq!(request("{remove: {path: /x}}"), ["/x"]);
    assert_eq!(request("{remove: {path: /x, down: {stash: x}}}"), ["/x"]);
    assert_eq!(
        request("{lossy: {up: why}, ops: [{remove: {path: /x}}, {at: /y, remove: {path: /z}}]}"),
        [] as [&str; 0]
    );
    assert_eq!(response("{remove: {path: /x}}"), [] as [&str; 0]);
    for op in
        ["add: {path: /x}", "drop_elems: {path: /x, by: t, keep: [a]}", "wrap: {path: /x}", "index: {path: /x, key: k}"]
    {
        assert_eq!(request(&format!("{{{op}}}")), [] as [&str; 0], "{op}");
    }
}

#[test]
fn a_separator_that_parts_may_hold_is_left_to_schemas() {
    let yaml = "- change: c\n  from: '1'\n  to: '2'\n  operations:\n    - match: POST /p\n      request:\n        - {at: /o, split: {from: n, into: [a, b], sep: ' '}}\n        - {merge: {from: [a, b], into: m, sep: ' '}, lossy: {down: why}}\n        - {merge: {from: [c, d], into: l, sep: ' '}, lossy: {up: why}}\n      response:\n        2xx: [{split: {from: n, into: [a, b], sep: ' '}, lossy: {down: why}}]\n        events:\n          x: [{split: {from: n, into: [a, b], sep: ' '}}]\n";
    let root = tree::parse(yaml, Path::new("gateway.yaml")).expect("valid");
    let mut findings = Vec::new();
    let changes = read(&root, Path::new("."), &mut Vec::new(), &mut findings);
    assert!(findings.is_empty(), "{findings:?}");
    let left = separated(&changes[0].0, &changes[0].1);
    let shown: Vec<_> =
        left.iter().map(|left| (left.list, left.index, left.finding.line, left.finding.pointer.as_deref())).collect();
    assert_eq!(
        shown,
        [(List::Request, 0, 7, Some("/o/n")), (List::Request, 1, 8, Some("/m")), (List::Event(0), 0, 13, Some("/n")),]
    );
    assert_eq!(left[0].finding.code, "undeclared-loss");
}

#[test]
fn jq_programs_are_tried_when_they_are_read() {
    for (op, code) in [
        ("{jq: {up: ., down: .}}", "opaque-without-examples"),
        ("{jq: {up: ., down: ., examples: []}}", "opaque-without-examples"),
        ("{jq: {up: ., down: ., examples: ['{a: 1}']}}", "bad-value"),
        ("{jq: {up: ., examples: ['1']}}", "missing-key"),
        ("{jq: {up: now, down: ., examples: ['1']}}", "bad-filter"),
        ("{jq: {up: ., down: '.[', examples: ['1']}}", "bad-filter"),
        ("{jq: {up: '.a', down: '{a: (. + 1)}', examples: ['{\"a\":1}']}}", "not-invertible"),
        ("{jq: {up: '.[]', down: ., examples: ['[]']}}", "not-invertible"),
    ] {
        assert_eq!(codes_of_op(op), [code], "{op}");
    }
    assert!(codes_of_op("{jq: {at: '/x/[]', up: '.a', down: '{a: .}', examples: ['{\"a\":1.50}']}}").is_empty());
}

#[test]
fn the_members_of_an_op_may_be_pointers_into_one_object() {
    let yaml = "[{change: c, from: '1', to: '2', operations: [{match: GET /p, request: [{at: /x, split: {from: /y/n, into: [/y/a, /y/b], sep: ' '}, lossy: {down: why}}, {nest: {into: /y/i, members: [/y/a]}}]}]}]";
    let root = tree::parse(yaml, Path::new("gateway.yaml")).expect("valid");
    let mut findings = Vec::new();
    let changes = read(&root, Path::new("."), &mut Vec::new(), &mut findings);
    assert!(findings.is_empty(), "{findings:?}");
    let places: Vec<String> = changes[0].0.operations[0].request.iter().map(|edit| edit.at.to_string()).collect();
    assert_eq!(places, ["/x/y", "/y"]);
}

#[test]
fn two_ops_that_create_one_place_are_refused() {
    let overlaps = |list: &str| {
        let yaml = format!("[{{change: c, from: '1', to: '2', operations: [{{match: POST /p, request: {list}}}]}}]");
        let findings = findings_of(&yaml);
        assert!(findings.iter().all(|finding| matches!(finding.code, "overlap" | "undeclared-loss")), "{findings:?}");
        let of = findings.into_iter().filter(|finding| finding.code == "overlap");
        of.map(|finding| finding.pointer.unwrap_or_default()).collect::<Vec<_>>()
    };
    for (list, pointer) in [
        ("[{add: {path: /a, value: 1}}, {add: {path: /a, value: 2}}]", "/a"),
        ("[{rename: {x: a}}, {add: {path: /a, value: 1}}]", "/a"),
        ("[{add: {path: /a}}, {rename: {x: a}}]", "/a"),
        ("[{move: {from: /x/a, to: /y}}, {at: /o, rename: {b: c}}, {rename: {z: y}}]", "/y"),
        ("[{nest: {into: i, members: [a]}}, {add: {path: /i/a, value: 1}}]", "/i/a"),
        ("[{nest: {into: i, members: [a]}}, {nest: {into: i, members: [b]}}]", "/i"),
        ("[{split: {from: n, into: [a, b], sep: x}}, {merge: {from: [c, d], into: a, sep: x}}]", "/a"),
        ("[{at: '/xs/[]', ops: [{rename: {a: b}}]}, {add: {path: '/xs/[]/b', value: 1}}]", "/xs/[]/b"),
        ("[{add: {path: /a/b, value: 1}}, {rename: {a: c}}, {move: {from: /x, to: /c/b}}]", "/c/b"),
        ("[{unnest: {from: o, members: [a]}}, {add: {path: /a, value: 1}}]", "/a"),
        ("[{when: {path: /k, in: [x, y]}, rename: {a: c}}, {when: {path: /k, in: [y, z]}, rename: {b: c}}]", "/c"),
        ("[{when: {path: /k, in: [x]}, rename: {a: c}}, {when: {path: /l, in: [y]}, rename: {b: c}}]", "/c"),
        // Only the way back creates it twice.
        ("[{rename: {a: b}}, {rename: {a: c}}]", "/a"),
        ("[{remove: {path: /a, down: {value: 1}}}, {remove: {path: /a, down: {value: 2}}}]", "/a"),
        ("[{split: {from: n, into: [a, b], sep: x}}, {split: {from: n, into: [c, d], sep: x}}]", "/n"),
    ] {
        assert_eq!(overlaps(list), [pointer], "{list}");
    }
    for sound in [
        "[{add: {path: /a, value: 1}}, {add: {path: /b, value: 1}}]",
        "[{rename: {a: b}}, {rename: {b: c}}, {rename: {x: b}}]",
        "[{rename: {a: b, b: a}}, {add: {path: /c, value: 1}}]",
        "[{add: {path: /a, value: 1}}, {rename: {a: b}}, {rename: {x: a}}]",
        "[{add: {path: /a, value: 1}}, {move: {from: /a, to: /o/a}}]",
        "[{nest: {into: i, members: [a]}}, {add: {path: /i/b, value: 1}}, {add: {path: /a, value: 1}}]",
        "[{nest: {into: i, members: [a], rest: keep}}, {nest: {into: i, members: [b], rest: keep}}]",
        "[{add: {path: /i/a, value: 1}}, {unnest: {from: i, members: [a]}}, {add: {path: /i/a, value: 2}}]",
        "[{remove: {path: /a}}, {remove: {path: /a}}]",
        "[{when: {path: /k, in: [x]}, rename: {a: c}}, {when: {path: /k, in: [y]}, rename: {b: c}}]",
        "[{at: /o, when: {path: k, in: [x]}, rename: {a: c}}, {when: {path: /o/k, in: [y]}, at: /p, rename: {a: c}}]",
        "[{convert: {path: /a, from: string, to: integer}}, {scale: {path: /a, pow10: 3}}]",
        "[{at: '/xs/[]', add: {path: /a, value: 1}}, {at: '/ys/[]', add: {path: /a, value: 1}}]",
    ] {
        assert_eq!(overlaps(sound), [] as [&str; 0], "{sound}");
    }
}

#[test]
fn an_overlap_is_told_at_the_later_op_with_the_earlier_one() {
    let yaml = "- change: c\n  from: '1'\n  to: '2'\n  shapes:\n    A:\n      - add: {path: /a, value: 1}\n  operations:\n    - match: POST /p\n      request:\n        - use: A\n        - rename: {x: y}\n        - use: A\n";
    let findings = findings_of(yaml);
    let [finding] = &findings[..] else { panic!("{findings:?}") };
    assert_eq!((finding.code, finding.line, finding.col), ("overlap", 12, 16));
    assert_eq!(finding.message, "creates \"/a\", as add at gateway.yaml:10:16 does");
    assert_eq!(finding.operation.as_deref(), Some("POST /p"));
    assert!(finding.help.starts_with("take one of them out"), "{}", finding.help);
}

#[test]
fn what_is_wrong_with_an_operation_is_found_by_code() {
    for (operation, code) in [
        ("{match: /p}", "bad-endpoint"),
        ("{request: []}", "missing-key"),
        ("{match: GET /p, respond: {}}", "unknown-key"),
        ("{match: GET /p, response: {2XX: []}}", "bad-status"),
        ("{match: GET /p, response: []}", "wrong-type"),
        ("{match: GET /p, response: {event: {x: []}}}", "bad-status"),
        ("{match: GET /p, response: {events: [x]}}", "wrong-type"),
        ("{match: GET /p, response: {events: {}}}", "wrong-type"),
        ("{match: GET /p, response: {events: {'': []}}}", "bad-value"),
        ("{match: GET /p, response: {events: {\"a\\nb\": []}}}", "bad-value"),
        ("{match: GET /p, response: {events: {x: {}}}}", "wrong-type"),
        ("{match: GET /p, response: {events: {x: [{renam: {a: b}}]}}}", "unknown-op"),
        ("{match: GET /p, response: {events: {x: [{map: {path: /a, pairs: [[a, b], [c, b]]}}]}}}", "undeclared-loss"),
        ("{match: GET /p, to: 'GET /q/{id}'}", "unbound-param"),
        ("{match: 'GET /p/{id}', to: GET /q}", "not-invertible"),
        ("{match: GET /p, since: 2.0}", "unquoted-version"),
        ("{match: GET /p, since: '1.0'}", "bad-since"),
        ("{match: GET /p, since: '2.1'}", "bad-since"),
        ("{match: GET /p, since: '2.0', request: [{rename: {a: b}}]}", "unreachable-list"),
        ("{match: 'GET /p/{a}'}, {match: 'GET /p/{b}'}", "duplicate-operation"),
        ("{match: GET /p, to: GET /r}, {match: GET /q, to: GET /r}", "duplicate-operation"),
        ("{match: GET /p, headers: [{rename: {Content-Length: X}}]}", "forbidden-header"),
        ("{match: GET /p, headers: {response: [{add: {name: connection, value: x}}]}}", "forbidden-header"),
        ("{match: GET /p, headers: [{remove: {name: Transfer-Encoding}}]}", "forbidden-header"),
        ("{match: GET /p, headers: [{add: {name: 'a b', value: x}}]}", "bad-value"),
        ("{match: GET /p, headers: [{add: {name: a, value: \"x\\ny\"}}]}", "bad-value"),
        ("{match: GET /p, status: {400: 422}}", "wrong-type"),
        ("{match: GET /p, status: [[400]]}", "wrong-type"),
        ("{match: GET /p, status: [[400, x]]}", "bad-status"),
        ("{match: GET /p, status: [[400, 400]]}", "op-type"),
        ("{match: GET /p, status: [[404, 500]]}", "status-class"),
        ("{match: GET /p, status: [[200, 204]]}", "status-class"),
        ("{match: GET /p, status: [[200, 102]]}", "status-class"),
        ("{match: GET /p, status: [[400, 422], [400, 422]]}", "status-not-a-function"),
        ("{match: GET /p, query: [{add: {name: a}}]}", "missing-key"),
        ("{match: GET /p, query: [{rename: {a: c, b: c}}]}", "overlap"),
        ("{match: GET /p, query: [{scale: {name: a}}]}", "unknown-key"),
    ] {
        assert_eq!(codes_of_operation(operation), [code], "{operation}");
    }
}

#[test]
fn a_change_is_named_once_and_leads_upwards() {
    for (yaml, code) in [
        ("changes: x", "wrong-type"),
        ("[{from: '1', to: '2'}]", "missing-key"),
        ("[{change: c, from: 1.0, to: '2'}]", "unquoted-version"),
        ("[{change: c, from: '1.x', to: '2'}]", "bad-version"),
        ("[{change: c, from: '2', to: '1'}]", "wrong-order"),
        ("[{change: c, from: '1', to: '1.0'}]", "wrong-order"),
        ("[{change: c, from: '1', to: '2'}, {change: c, from: '2', to: '3'}]", "duplicate-change"),
        ("[{change: c, from: '1', to: '2'}, {change: d, from: '1.0', to: '2'}]", "duplicate-change"),
        ("[{change: c, from: '1', to: '2', operatons: []}]", "unknown-key"),
        ("[no-such-file.yaml]", "unreadable-file"),
        ("[~]", "wrong-type"),
    ] {
        assert_eq!(findings_of(yaml).iter().map(|finding| finding.code).collect::<Vec<_>>(), [code], "{yaml}");
    }
}

#[test]
fn shapes_may_use_each_other_but_not_themselves() {
    let shapes = |shapes: &str| {
        let yaml = format!(
            "[{{change: c, from: '1', to: '2', shapes: {shapes}, operations: [{{match: GET /p, request: [{{at: /x, use: A}}]}}]}}]"
        );
        findings_of(&yaml).iter().map(|finding| finding.code).collect::<Vec<_>>()
    };
    assert!(shapes("{A: [{use: B}], B: [{rename: {a: b}}]}").is_empty());
    assert_eq!(shapes("{A: [{use: A}]}"), ["circular-shape"]);
    assert_eq!(shapes("{A: [{use: B}], B: [{use: A}]}"), ["circular-shape"]);
    assert_eq!(shapes("{A: [], B: [{renam: {a: b}}]}"), ["unknown-op"], "an unused shape is read too");
}

#[test]
fn shapes_are_listed_in_the_same_order_every_time() {
    let yaml = "[{change: c, from: '1', to: '2', shapes: {Ed: [], Bo: [], Cy: [], Al: [], Fa: [], Di: []}, operations: [{match: GET /p, request: [{use: Missing}]}]}]";
    assert!(findings_of(yaml)[0].to_string().contains("known are Al, Bo, Cy, Di, Ed, Fa"), "{}", findings_of(yaml)[0]);
}

#[test]
fn a_shape_works_below_the_place_that_uses_it() {
    let yaml = "[{change: c, from: '1', to: '2', shapes: {A: [{at: /y, rename: {a: b}}]}, operations: [{match: GET /p, request: [{at: '/x/[]', strict: true, use: A}]}]}]";
    let root = tree::parse(yaml, Path::new("gateway.yaml")).expect("valid");
    let changes = read(&root, Path::new("."), &mut Vec::new(), &mut Vec::new());
    let edit = &changes[0].0.operations[0].request[0];
    assert_eq!(edit.at.to_string(), "/x/[]/y");
    assert!(edit.strict);
}

#[test]
fn every_op_is_known_where_it_is_written_whoever_uses_it() {
    let yaml = "- change: c\n  from: '1'\n  to: '2'\n  shapes:\n    A:\n      - rename: {a: b}\n  operations:\n    - match: GET /p\n      request: [{add: {path: /x}}, {use: A}]\n      response:\n        2xx:\n          - at: /y\n            ops: [{remove: {path: /z}}]\n        events:\n          null:\n            - use: A\n";
    let root = tree::parse(yaml, Path::new("gateway.yaml")).expect("valid");
    let changes = read(&root, Path::new("."), &mut Vec::new(), &mut Vec::new());
    let operation = &changes[0].1.operations[0];
    let spots = |places: &[Place]| places.iter().map(|place| (place.line, place.col)).collect::<Vec<_>>();
    assert_eq!((operation.place.line, operation.place.col), (8, 14));
    assert_eq!(spots(&operation.request), [(9, 18), (6, 9)]);
    assert_eq!(spots(&operation.responses[0]), [(13, 20)]);
    assert_eq!(spots(&operation.events[0]), [(6, 9)]);
    assert_eq!(&*changes[0].0.operations[0].events[0].0, "null");
}

#[test]
fn all_findings_come_at_once_with_place_and_remedy() {
    let yaml = "- change: c\n  from: 1.0\n  to: '2'\n  operations:\n    - match: POST /p\n      request:\n        - renme: {a: b}\n        - add: {pth: /a}\n";
    let findings = findings_of(yaml);
    let seen: Vec<_> =
        findings.iter().map(|finding| (finding.code, finding.line, finding.col, finding.help.as_str())).collect();
    assert_eq!(
        seen,
        [
            ("unquoted-version", 2, 9, "quote it: \"1.0\" (as a number 2.10 would be 2.1)"),
            ("unknown-op", 7, 11, "did you mean \"rename\"?"),
            ("unknown-key", 8, 17, "did you mean \"path\"?"),
            ("missing-key", 8, 16, "add path: where, such as /context"),
        ]
    );
    assert!(findings.iter().all(|finding| finding.change.as_deref() == Some("c")));
    assert_eq!(findings[1].operation.as_deref(), Some("POST /p"));
}

#[test]
fn a_list_of_events_is_complained_of_where_it_stands() {
    let yaml = "- change: c\n  from: '1'\n  to: '2'\n  operations:\n    - match: GET /p\n      response:\n        evnts: {x: []}\n        events:\n          '': []\n          x: [{add: {pat: /a}}]\n";
    let findings = findings_of(yaml);
    let seen: Vec<_> = findings.iter().map(|finding| (finding.line, finding.col, finding.help.as_str())).collect();
    assert_eq!(
        seen,
        [
            (7, 9, "write a status (200), a class (4xx), default, or events: {TYPE: [...]}"),
            (9, 11, "write message: for events that name no type"),
            (10, 22, "did you mean \"path\"?"),
            (10, 21, "add path: where, such as /context"),
        ]
    );
}

#[test]
fn literals_keep_the_spelling_of_json_numbers_and_of_nothing_else() {
    let yaml = "[1.50, -0, 1E5, 0x10, 1_000, .5, yes, on, true, null, ~, '7', 1e400, {a b: [], 1: \"é\\n\"}]";
    let root = tree::parse(yaml, Path::new("x.yaml")).expect("valid");
    assert_eq!(
        literal::read(&root).to_string(),
        r#"[1.50,-0,1E5,"0x10","1_000",".5","yes","on",true,null,null,"7",1e400,{"a b":[],"1":"é\n"}]"#
    );
}

#[test]
fn a_change_may_stand_in_a_file_of_its_own() {
    let folder = std::env::temp_dir().join(format!("vergate-changes-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    std::fs::write(folder.join("c.yaml"), "change: c\nfrom: '1'\nto: '2'\n").expect("a file");
    std::fs::write(folder.join("bad.yaml"), "change: d\nfrom: 2\nto: '3'\n").expect("a file");
    let root = tree::parse("[c.yaml, bad.yaml]", Path::new("gateway.yaml")).expect("valid");
    let (mut files, mut findings) = (Vec::new(), Vec::new());
    let changes = read(&root, &folder, &mut files, &mut findings);
    assert_eq!(changes.iter().map(|(change, _)| change.name.as_str()).collect::<Vec<_>>(), ["c"]);
    assert_eq!(files, [folder.join("c.yaml"), folder.join("bad.yaml")]);
    assert_eq!((findings.len(), findings[0].line, findings[0].file.clone()), (1, 2, folder.join("bad.yaml")));
    std::fs::remove_dir_all(&folder).expect("the folder");
}
