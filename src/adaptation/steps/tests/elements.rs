//! Ops on elements and on parts of strings, guards, and what is kept for the response.

use super::*;
use crate::adaptation::Stash;

#[test]
fn scale_shifts_digits_and_lets_everything_else_pass() {
    let ops = "{scale: {path: /t, pow10: 3}}";
    check(ops, Up, r#"{"t":1.50,"u":1}"#, r#"{"t":1500,"u":1}"#);
    check(ops, Down, r#"{"t":1500}"#, r#"{"t":1.5}"#);
    check(ops, Up, r#"{"t":"1.5"}"#, r#"{"t":"1.5"}"#);
    check(ops, Up, r#"{"t":null}"#, r#"{"t":null}"#);
    check(ops, Up, r#"{ "t": 0}"#, r#"{ "t": 0}"#);
    check(ops, Up, r#"{"t":1e999}"#, r#"{"t":1e999}"#);
    check("{scale: {path: /t, pow10: 3}, strict: true}", Up, r#"{"t":"1.5"}"#, "!shape /t");
    check("{scale: {path: /t, pow10: 3}, strict: true}", Up, r#"{"t":1e999}"#, "!value /t");
    check("{scale: {path: /t, pow10: 3}, strict: true}", Up, r#"{"t":null}"#, r#"{"t":null}"#);
    check("{scale: {path: '/l/[]', pow10: -2}}", Up, r#"{"l":[150,1,[],true]}"#, r#"{"l":[1.5,0.01,[],true]}"#);
}

#[test]
fn split_puts_the_parts_where_the_whole_stood() {
    let ops = "{split: {from: n, into: [a, b, c], sep: ', '}}";
    check(ops, Up, r#"{"x":1,"n":"p, q, r, s","y":2}"#, r#"{"x":1,"a":"p","b":"q","c":"r, s","y":2}"#);
    check(ops, Up, r#"{"n":"p","b":7}"#, r#"{"a":"p","b":7}"#);
    check(ops, Up, r#"{"b":7,"n":"p, q"}"#, r#"{"a":"p","b":"q"}"#);
    check(ops, Up, r#"{"n":"p\u002c\u0020\u00e9"}"#, r#"{"a":"p","b":"\u00e9"}"#);
    check(ops, Up, r#"{"n":5,"a":1}"#, r#"{"n":5,"a":1}"#);
    check(ops, Up, r#"{"a":1}"#, r#"{"a":1}"#);
    check("{split: {from: n, into: [a, b], sep: ','}, conflict: error}", Up, r#"{"n":"p","a":1}"#, "!conflict /a");
    check(
        "{split: {from: n, into: [a, b], sep: ','}, conflict: error}",
        Up,
        r#"{"n":"p","b":1}"#,
        r#"{"a":"p","b":1}"#,
    );
    check("{split: {from: n, into: [a, b], sep: ','}, strict: true}", Up, r#"{"n":5}"#, "!shape /n");
    check("{split: {from: n, into: [a, b], sep: ','}, strict: true}", Up, r#"{"n":null}"#, r#"{"n":null}"#);
    check("{split: {from: n, into: [n, b], sep: ','}}", Up, r#"{"n":"p,q"}"#, r#"{"n":"p","b":"q"}"#);
    check("{split: {from: n, into: [n, b], sep: ','}}", Down, r#"{"n":"p","b":"q"}"#, r#"{"n":"p,q"}"#);
    check(ops, Up, r#"{"n":"p","c":1,"c":2}"#, "!duplicate_member /c");
    check(ops, Down, r#"{"a":1,"n":1,"n":2}"#, "!duplicate_member /n");
    check(
        "{split: {from: /p/n, into: [/p/a, /p/b], sep: ' '}}",
        Up,
        r#"{"p":{"n":"x y"}}"#,
        r#"{"p":{"a":"x","b":"y"}}"#,
    );
}

#[test]
fn merge_joins_the_strings_there_are_where_the_first_stood() {
    let ops = "{merge: {from: [host, port], into: addr, sep: ':'}}";
    check(ops, Up, r#"{"port":"80","x":1,"host":"h"}"#, r#"{"addr":"h:80","x":1}"#);
    check(ops, Up, r#"{"port":80,"host":"h"}"#, r#"{"port":80,"addr":"h"}"#);
    check(ops, Up, r#"{"port":null}"#, r#"{"port":null}"#);
    check(ops, Up, r#"{"addr":1,"host":"\u0068","port":"\ud83d"}"#, r#"{"addr":"\u0068:\ud83d"}"#);
    check(ops, Up, r#"{"addr":1}"#, r#"{"addr":1}"#);
    check(ops, Down, r#"{"addr":"h:80:1"}"#, r#"{"host":"h","port":"80:1"}"#);
    check("{merge: {from: [a, b], into: c, sep: '\"'}}", Up, r#"{"a":"1","b":"2"}"#, r#"{"c":"1\"2"}"#);
    check("{merge: {from: [a, b], into: c, sep: ':'}, conflict: error}", Up, r#"{"a":"1","c":2}"#, "!conflict /c");
    check("{merge: {from: [a, b], into: c, sep: ':'}, strict: true}", Up, r#"{"a":"1","b":2}"#, "!shape /b");
    check("{merge: {from: [a, b], into: a, sep: ':'}}", Up, r#"{"a":7,"b":"2"}"#, r#"{"a":"2"}"#);
}

#[test]
fn elem_wrap_wraps_every_element_and_drops_what_has_no_place() {
    let ops = "{elem_wrap: {path: /l, key: v}}";
    check(ops, Up, r#"{"l":["a",null,{"v":1},[]]}"#, r#"{"l":[{"v":"a"},{"v":null},{"v":{"v":1}},{"v":[]}]}"#);
    check(ops, Down, r#"{"l":[{"v":"a","s":1},7,null,{"s":2},{"v":{}}]}"#, r#"{"l":["a",7,null,{}]}"#);
    check(ops, Up, r#"{"l":"a"}"#, r#"{"l":"a"}"#);
    check(ops, Down, r#"{"l": [1, 2]}"#, r#"{"l": [1, 2]}"#);
    check(ops, Down, r#"{"l":[{"v":1},{"v":1,"v":2}]}"#, "!duplicate_member /l/1/v");
    check("{elem_wrap: {path: /l, key: v}, strict: true}", Up, r#"{"l":"a"}"#, "!shape /l");
    check("{elem_wrap: {path: /l, key: v}, strict: true}", Down, r#"{"l":[{"v":1},7]}"#, "!shape /l/1");
    assert!(narrows(ops, Down, r#"{"l":[{"v":1,"s":1}]}"#) && narrows(ops, Down, r#"{"l":[{}]}"#));
    assert!(!narrows(ops, Down, r#"{"l":[{"v":1}]}"#));
}

#[test]
fn index_turns_an_array_of_objects_and_a_map_into_each_other() {
    let ops = "{index: {path: /l, key: id}}";
    check(ops, Up, r#"{"l":[{"x":1,"id":"b"},{"id":"\u0061"}]}"#, r#"{"l":{"b":{"x":1},"\u0061":{}}}"#);
    check(ops, Down, r#"{"l":{"b":{"x":1},"\u0061":{}}}"#, r#"{"l":[{"id":"b","x":1},{"id":"\u0061"}]}"#);
    check(ops, Up, r#"{"l":[]}"#, r#"{"l":{}}"#);
    check(ops, Down, r#"{"l":{}}"#, r#"{"l":[]}"#);
    check(ops, Up, r#"{"l":[{"id":"a"},{"id":"\u0061"}]}"#, "!index_duplicate /l/1/id");
    check(ops, Up, r#"{"l":[{"id":"a"},{"x":1}]}"#, "!index_key /l/1");
    check(ops, Up, r#"{"l":[null]}"#, "!index_key /l/0");
    check(ops, Up, r#"{"l":[{"id":7}]}"#, "!index_key /l/0/id");
    check(ops, Up, r#"{"l":[{"id":"a","id":"b"}]}"#, "!duplicate_member /l/0/id");
    check(ops, Up, r#"{"l":{"a":1}}"#, r#"{"l":{"a":1}}"#);
    check(ops, Up, r#"{"l":null}"#, r#"{"l":null}"#);
    check(ops, Down, r#"{"l":{"a":{},"b":5}}"#, "!shape /l/b");
    check(ops, Down, r#"{"l":{"a":{},"\u0061":{}}}"#, "!duplicate_member /l/a");
    check(ops, Down, r#"{"l":{"a":{"x":1,"id":9}}}"#, r#"{"l":[{"id":"a","x":1}]}"#);
    check(ops, Down, r#"{"l":[1]}"#, r#"{"l":[1]}"#);
    check("{index: {path: /l, key: id}, conflict: error}", Down, r#"{"l":{"a":{"id":9}}}"#, "!conflict /l/a/id");
    check("{index: {path: /l, key: id}, strict: true}", Up, r#"{"l":5}"#, "!shape /l");
    check("{index: {path: /l, key: id}, strict: true}", Down, r#"{"l":5}"#, "!shape /l");
}

#[test]
fn a_name_may_come_from_an_op_before() {
    let ops = "{at: '/l/[]', convert: {path: /id, from: integer, to: string}}, {index: {path: /l, key: id}}, {rename: {l: m}}";
    check(ops, Up, r#"{"l":[{"id":7,"x":1},{"id":8}]}"#, r#"{"m":{"7":{"x":1},"8":{}}}"#);
    check(ops, Down, r#"{"m":{"7":{"x":1},"8":{}}}"#, r#"{"l":[{"id":7,"x":1},{"id":8}]}"#);
    check(ops, Up, r#"{"l":[{"id":7},{"id":7}]}"#, "!index_duplicate /l/1/id");
}

#[test]
fn drop_elems_hides_kinds_the_older_version_does_not_know() {
    let ops = "{drop_elems: {path: /l, by: /k/t, keep: [a, 1, null]}}";
    let body = r#"{"l":[{"k":{"t":"\u0061"}},{"k":{"t":"b"}},{"k":{"t":1}},{"k":{"t":1.0}},{"k":{"t":null}},{"k":5},7,{"k":{"t":[]}}]}"#;
    check(ops, Down, body, r#"{"l":[{"k":{"t":"\u0061"}},{"k":{"t":1}},{"k":{"t":null}}]}"#);
    check(ops, Up, body, body);
    check(ops, Down, r#"{"l": [ {"k":{"t":"a"}} ]}"#, r#"{"l": [ {"k":{"t":"a"}} ]}"#);
    for direction in [Up, Down] {
        check(ops, direction, r#"{"l":[{"k":{"t":1,"t":2}}]}"#, "!duplicate_member /l/0/k/t");
        check(ops, direction, r#"{"l":[{},{"k":1,"k":2}]}"#, "!duplicate_member /l/1/k");
        check(ops, direction, r#"{"l":"x"}"#, r#"{"l":"x"}"#);
    }
    assert!(narrows(ops, Down, r#"{"l":[7]}"#) && !narrows(ops, Down, r#"{"l":[]}"#));
}

#[test]
fn a_guard_decides_by_what_stands_beside_the_op() {
    let ops = "{when: {path: /t, in: [a, null]}, rename: {x: y}}";
    check(ops, Up, r#"{"t":"a","x":1}"#, r#"{"t":"a","y":1}"#);
    check(ops, Up, r#"{"t":null,"x":1}"#, r#"{"t":null,"y":1}"#);
    for other in [r#"{"x":1}"#, r#"{"t":"b","x":1}"#, r#"{"t":["a"],"x":1}"#, r#"{"t":"b","x":1,"x":2}"#, "[]"] {
        check(ops, Up, other, other);
        check(ops, Down, other, other);
    }
    check(ops, Up, r#"{"t":"a","t":"b"}"#, "!duplicate_member /t");
    check(ops, Down, r#"{"t":"a","y":1}"#, r#"{"t":"a","x":1}"#);
    let each = "{at: '/l/[]', when: {path: /k/t, in: [card]}, ops: [{rename: {n: number}}, {at: /sub, when: {path: u, in: [1]}, remove: {path: /z}}]}";
    check(
        each,
        Up,
        r#"{"l":[{"k":{"t":"card"},"n":1,"sub":{"u":1,"z":2}},{"k":{"t":"bank"},"n":1},{"k":{"t":"card"},"sub":{"u":2,"z":2}}]}"#,
        r#"{"l":[{"k":{"t":"card"},"number":1,"sub":{"u":1}},{"k":{"t":"bank"},"n":1},{"k":{"t":"card"},"sub":{"u":2,"z":2}}]}"#,
    );
    check(each, Up, r#"{"l":[{"k":{"t":"card","t":1}}]}"#, "!duplicate_member /l/0/k/t");
    check(
        "{when: {path: /t, in: [a]}, add: {path: /p/q, value: 1}}",
        Up,
        r#"{"t":"a","p":{}}"#,
        r#"{"t":"a","p":{"q":1}}"#,
    );
}

#[test]
fn what_was_removed_from_the_request_comes_back_in_the_response() {
    let edits = |ops: &str| {
        let node = tree::parse(&format!("[{ops}]"), Path::new("ops.yaml")).expect("valid");
        let mut findings = Vec::new();
        let edits = changes::read_list(&node, &mut findings);
        assert!(findings.is_empty(), "{findings:?}");
        edits
    };
    let run = |change: &str, direction, ops: &str, mode, body: &str, stash: &mut Stash| {
        let program = Program::fuse([(change, edits(ops).as_slice(), direction)]).expect("not empty");
        match program.apply_with(&Bytes::copy_from_slice(body.as_bytes()), mode, stash) {
            Ok(adapted) => String::from_utf8(adapted.body.to_vec()).expect("UTF-8"),
            Err(error) => format!("!{} {}", error.reason, error.pointer.as_deref().unwrap_or("-")),
        }
    };
    let (tag, meta) = ("{remove: {path: /tag, down: {stash: t}}}", "{remove: {path: /m/tag, down: {stash: t}}}");
    let whole = Mode::Whole;
    let mut stash = Stash::default();
    assert_eq!(run("c", Down, tag, whole, r#"{"r":2}"#, &mut stash), r#"{"r":2}"#, "nothing is kept");
    assert_eq!(run("c", Up, tag, whole, r#"{"q":1}"#, &mut stash), r#"{"q":1}"#);
    assert!(stash.is_empty());
    assert_eq!(run("c", Up, tag, whole, r#"{"tag":{"a": 1.50},"q":1}"#, &mut stash), r#"{"q":1}"#);
    assert_eq!(run("c", Down, tag, whole, r#"{"r":2,"tag":9}"#, &mut stash), r#"{"r":2,"tag":{"a": 1.50}}"#);
    assert_eq!(run("c", Down, meta, whole, r#"{"m":{}}"#, &mut stash), r#"{"m":{"tag":{"a": 1.50}}}"#);
    assert_eq!(run("c", Down, meta, whole, r#"{"m":5}"#, &mut stash), r#"{"m":5}"#);
    assert_eq!(run("c", Down, tag, Mode::Patch, "{}", &mut stash), "{}", "a patch gets no defaults");
    assert_eq!(run("d", Down, tag, whole, "{}", &mut stash), "{}", "another change keeps things of its own");
    let strict = "{remove: {path: /tag, down: {stash: t}}, conflict: error}";
    assert_eq!(run("c", Down, strict, whole, r#"{"tag":9}"#, &mut stash), "!conflict /tag");
}
