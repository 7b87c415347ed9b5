//! What is JSON, how deep it may be, and what is opened.

use proptest::prelude::*;

use super::*;
use crate::adaptation::pointer::Pointer;

fn check(body: &[u8]) -> Result<(), Reason> {
    read(body, &Touch::default()).map(|_| ())
}

#[test]
fn only_json_texts_are_read() {
    for good in
        ["{}", " [1 , -0.0e+1,\"\\u00e9\\/\"]\n", "7", "null", "\"\u{2028}\"", "{\"\":{\"a\":[]}}", "\"\u{7f}\""]
    {
        assert_eq!(check(good.as_bytes()), Ok(()), "{good}");
    }
    for bad in [
        "",
        " ",
        "{",
        "[",
        "]",
        "{]",
        "[}",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "[1,]",
        "[,]",
        "{,}",
        "01",
        "-",
        "1.",
        ".1",
        "1e",
        "+1",
        "NaN",
        "Infinity",
        "tru",
        "truex",
        "nul",
        "'a'",
        "\"a",
        "\"\\x\"",
        "\"\\u12g4\"",
        "\"\\u12",
        "\"\t\"",
        "\"\n\"",
        "1 2",
        "{} x",
        "[1 2]",
        "{\"a\" 1}",
        "{a:1}",
        "//",
        "\u{feff}1",
        "-a",
        "\u{b}1",
        "\"\u{0}\"",
    ] {
        assert_eq!(check(bad.as_bytes()), Err(Reason::Malformed), "{bad}");
    }
    assert_eq!(check(b"\"\xff\""), Err(Reason::Malformed));
    assert_eq!(check(b"\"\xed\xa0\x80\""), Err(Reason::Malformed));
    assert_eq!(check(b"1\xff"), Err(Reason::Malformed));
}

#[test]
fn the_129th_open_container_is_too_deep() {
    let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    assert_eq!(check(nested(128).as_bytes()), Ok(()));
    assert_eq!(check(nested(129).as_bytes()), Err(Reason::Depth));
    assert_eq!(check(nested(100_000).as_bytes()), Err(Reason::Depth));
    assert_eq!(check("{\"a\":".repeat(129).as_bytes()), Err(Reason::Depth));
    assert_eq!(check(format!("[{0},{0}]", nested(127)).as_bytes()), Ok(()), "siblings do not add up");
}

#[test]
fn of_too_deep_and_malformed_the_first_wins() {
    assert_eq!(check(&[&b"[".repeat(129)[..], b"\xff"].concat()), Err(Reason::Depth));
    assert_eq!(check(&[b"[\xff", &b"[".repeat(129)[..]].concat()), Err(Reason::Malformed));
    assert_eq!(check(&[b"[1 1", &b"[".repeat(129)[..]].concat()), Err(Reason::Malformed));
}

#[test]
fn what_was_opened_and_not_changed_is_written_as_it_came() {
    let body = b"{ \"a\" : [ {\"b\": 1 } , 2 ], \"c\": {} }";
    let mut touch = Touch::default();
    touch.reach(Pointer::parse("/a/[]/b").expect("a pointer").segments());
    let node = read(body, &touch).expect("valid");
    let Node::Object(root) = &node else { panic!("not opened") };
    let Node::Array(array) = &root.members[0].value else { panic!("not opened") };
    assert!(matches!(array.items[0], Node::Object(_)));
    assert!(matches!(root.members[1].value, Node::Text(b"{}")), "no more than named is opened");
    let mut out = Vec::new();
    node.write(&mut out);
    assert_eq!(out, body);
}

/// Has everything that was opened written anew.
fn forget_text(node: &mut Node<'_>) {
    match node {
        Node::Object(object) => {
            object.text = None;
            object.members.iter_mut().for_each(|member| forget_text(&mut member.value));
        }
        Node::Array(array) => {
            array.text = None;
            array.items.iter_mut().for_each(forget_text);
        }
        Node::Text(_) | Node::Made(_) => {}
    }
}

proptest! {
    #[test]
    fn names_that_were_foreseen_are_those_that_stand_there(
        shapes in prop::collection::vec("(\\{\"a\": ?[0-9]{1,3}, \"b\\{\": ?\"[a-z]{0,9}\"(, \"c\": ?\\[(\\{\"a\": ?\\[\\]\\})?\\])? ?\\}|\\{\"a\":\\{\"a\": ?1\\}, \"c\": 2\\}|\\{\\}|[\\[\\]{},: \"a1]{0,6})", 1..5),
        picks in prop::collection::vec((any::<prop::sample::Index>(), 1..6_usize), 1..8),
    ) {
        let elements: Vec<&str> = picks.iter().flat_map(|(pick, times)| vec![pick.get(&shapes).as_str(); *times]).collect();
        let body = format!("[{}]{}", elements.join(", "), " ".repeat(20));
        let mut touch = Touch::default();
        for place in ["/[]/a/a", "/[]/c/[]/a"] {
            touch.reach(Pointer::parse(place).expect("a pointer").segments());
        }
        match read(body.as_bytes(), &touch) {
            Ok(mut node) => {
                forget_text(&mut node);
                let mut out = Vec::new();
                node.write(&mut out);
                let [came, left] = [body.as_bytes(), &out].map(serde_json::from_slice::<serde_json::Value>);
                prop_assert_eq!(left.expect("valid"), came.expect("valid"));
            }
            Err(_) => prop_assert!(serde_json::from_str::<serde_json::Value>(&body).is_err()),
        }
    }

    #[test]
    fn verdicts_are_those_of_serde_json(body in "[\\[\\]{}:,\"a1e.\\\\u0 -]{0,24}") {
        // serde_json is another reading of the same RFC; it refuses lone surrogates and huge exponents, we keep them.
        if serde_json::from_str::<serde_json::Value>(&body).is_ok() {
            prop_assert_eq!(check(body.as_bytes()), Ok(()));
        } else if check(body.as_bytes()).is_ok() {
            prop_assert!(body.contains("\\u") || body.contains('e'), "{}", body);
        }
    }
}
