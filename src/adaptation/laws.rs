//! What holds for every op and every body, tried on generated ones.

use bytes::Bytes;
use proptest::{collection::vec, prelude::*, sample::select};

use super::{
    change::Direction::{self, Down, Up},
    error::AdaptationError,
    literal::Literal,
    op::{Comeback, Conflict, Edit, Group, List, Many, Op, Otherwise, Pieces, Rest, ScalarType},
    pointer::{Name, Pointer},
    program::{Mode, Program},
    scan::{self, Touch},
    vectors::sorted,
};

fn edit(at: &str, op: Op) -> Edit {
    Edit::new(pointer(at), op)
}

fn pointer(text: &str) -> Pointer {
    Pointer::parse(text).expect("a pointer")
}

fn names(pairs: &[(&str, &str)]) -> Vec<(Name, Name)> {
    pairs.iter().map(|(inner, outer)| (Name::new(inner), Name::new(outer))).collect()
}

fn number(text: &str) -> Literal {
    Literal::number(text).expect("a number")
}

fn run(edits: &[Edit], direction: Direction, body: &str) -> Result<Bytes, AdaptationError> {
    let program = Program::fuse([("c", edits, direction)]).expect("not empty");
    program.apply(&Bytes::copy_from_slice(body.as_bytes()), Mode::Whole).map(|adapted| adapted.body)
}

fn text(body: &Bytes) -> &str {
    std::str::from_utf8(body).expect("UTF-8")
}

// ---- bodies ----

fn space() -> impl Strategy<Value = &'static str> {
    select(vec!["", "", "", " ", "\n\t", "  "])
}

/// Strings begin with `s`, so that none looks like a number or a boolean.
fn scalar() -> impl Strategy<Value = String> {
    let words =
        ["null", "true", "false", "0", "-0", "7", "12345678901234567890123", "1.0", "10.50", "1E5", "-0.0", "1e400"];
    let strings = [r#""s""#, r#""sopen""#, r#""s\u00e9\/""#, r#""s\ud83d""#, "\"s\u{2028}é\"", r#""s\"}]\\""#];
    select(words.iter().chain(&strings).map(ToString::to_string).collect::<Vec<_>>())
}

fn object(members: &[(String, String)], space: &str) -> String {
    let member = |(name, value): &(String, String)| format!("{space}\"{name}\"{space}:{space}{value}");
    format!("{{{}{space}}}", members.iter().map(member).collect::<Vec<_>>().join(","))
}

/// Any value; names may repeat.
fn value() -> impl Strategy<Value = String> {
    scalar().prop_recursive(4, 40, 5, |inner| {
        let key = select(vec!["a", "b", "c", "d", "\\u0061", "x y"]).prop_map(str::to_owned);
        prop_oneof![
            (vec((key, inner.clone()), 0..5), space()).prop_map(|(members, space)| object(&members, space)),
            (vec(inner, 0..4), space())
                .prop_map(|(items, space)| format!("[{space}{}]", items.join(&format!(",{space}")))),
        ]
    })
}

/// A value whose names occur once each.
fn clean() -> impl Strategy<Value = String> {
    scalar().prop_recursive(3, 20, 4, |inner| {
        (vec(inner, 0..4), any::<bool>(), space()).prop_map(|(values, array, space)| {
            if array {
                return format!("[{}]", values.join(","));
            }
            let members: Vec<_> = values.into_iter().enumerate().map(|(i, value)| (format!("n{i}"), value)).collect();
            object(&members, space)
        })
    })
}

// ---- the laws of ops that lose nothing ----

/// A body of the older version: `k0` to `k5` are anything or absent, `w` no array, `u` an array that
/// holds at most one value, `g` an object of `p` and perhaps `q`, `s` a string, `h` and `j` strings
/// without a dash, `e` an array, `x` objects with an `id` of their own, `t` a number.
fn old_object() -> impl Strategy<Value = String> {
    let no_array = || clean().prop_filter("no array", |value| !value.starts_with('['));
    let maybe = || prop::option::of(clean());
    let optional = vec(maybe(), 6);
    let group = prop::option::of((clean(), maybe()));
    let unwrapped = prop::option::of(prop::option::of(no_array().prop_filter("[null] reads as []", |v| v != "null")));
    (optional, prop::option::of(no_array()), unwrapped, group, elements(), space()).prop_map(
        |(values, wrapped, unwrapped, group, elements, space)| {
            let mut members: Vec<(String, String)> =
                values.into_iter().enumerate().filter_map(|(i, value)| Some((format!("k{i}"), value?))).collect();
            members.extend(wrapped.map(|value| ("w".to_owned(), value)));
            members.extend(unwrapped.map(|item| ("u".to_owned(), format!("[{}]", item.unwrap_or_default()))));
            members.extend(group.map(|(p, q)| {
                let inner = [Some(("p".to_owned(), p)), q.map(|q| ("q".to_owned(), q))];
                ("g".to_owned(), object(&inner.into_iter().flatten().collect::<Vec<_>>(), space))
            }));
            members.extend(elements);
            object(&members, space)
        },
    )
}

fn elements() -> impl Strategy<Value = Vec<(String, String)>> {
    let text = select(vec![r#""s t u""#, r#""s""#, r#""""#, r#""s\u0020\u00e9""#, "7", "null"]);
    let parts =
        select(vec![vec![], vec![("h", r#""s""#)], vec![("h", r#""s""#), ("j", r#""\ud83d""#)], vec![("h", "7")]]);
    let number = select(vec!["7", "-0", "0.5", "1200", "12345678901234567890123", "null", "\"s\""]);
    (prop::option::of(text), parts, vec(clean(), 0..4), vec(clean(), 0..4), number).prop_map(
        |(text, parts, array, indexed, number)| {
            let own = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
            let with_id = |(i, value): (usize, &String)| format!(r#"{{"v":{value},"id":"\u006b{i}"}}"#);
            let indexed: Vec<String> = indexed.iter().enumerate().map(with_id).collect();
            let mut members: Vec<(String, String)> = text.map(|text| own(("s", text))).into_iter().collect();
            members.extend(parts.into_iter().map(own));
            members.push(("e".to_owned(), format!("[{}]", array.join(","))));
            members.push(("x".to_owned(), format!("[{}]", indexed.join(","))));
            members.push(own(("t", number)));
            members
        },
    )
}

/// Ops that lose nothing on such a body, each working on members of its own and writing fresh names.
fn lossless() -> Vec<Op> {
    vec![
        Op::Rename(names(&[("k0", "f0"), ("k1", "k0b")])),
        Op::Move { from: vec![Name::new("k2")], to: vec![Name::new("f2"), Name::new("x"), Name::new("y")] },
        Op::Nest(Group {
            container: Name::new("f3"),
            members: names(&[("x", "k3"), ("y", "k4")]),
            rest: Rest::Drop,
            always: false,
            mismatch_is_error: false,
        }),
        Op::Unnest(Group {
            container: Name::new("g"),
            members: names(&[("p", "f5"), ("q", "f6")]),
            rest: Rest::Error,
            always: false,
            mismatch_is_error: true,
        }),
        Op::Add { path: pointer("/f7"), value: Some(Literal::null()), replaces_null: false },
        Op::Remove { path: pointer("/f8"), down: Comeback::Absent },
        Op::Convert {
            path: pointer("/k5"),
            from: ScalarType::Number,
            to: ScalarType::String,
            on_error: Otherwise::Pass,
        },
        Op::Wrap(List { path: pointer("/w"), many: Many::Error, empty_is_null: false, null_is_empty: false }),
        Op::Unwrap(List { path: pointer("/u"), many: Many::Error, empty_is_null: true, null_is_empty: true }),
        Op::Split(pieces("s", &["f9", "f10"], " ")),
        Op::Merge(pieces("f11", &["h", "j"], "-")),
        Op::ElemWrap { path: pointer("/e"), key: Name::new("a") },
        Op::Index { path: pointer("/x"), key: Name::new("id") },
        Op::DropElems { path: pointer("/g"), by: vec![Name::new("k")], keep: vec![Literal::null()] },
        Op::Scale { path: pointer("/t"), pow10: 3 },
    ]
}

fn pieces(whole: &str, parts: &[&str], separator: &str) -> Pieces {
    let parts = parts.iter().map(|part| Name::new(part)).collect();
    Pieces { whole: Name::new(whole), parts, separator: separator.to_owned() }
}

/// The same for one member after the other, so that each step meets what the one before left.
fn layered() -> Vec<Op> {
    vec![
        Op::Map {
            path: pointer("/k5"),
            pairs: vec![(Literal::string("sopen"), Literal::string("OPEN")), (number("7"), Literal::string("SEVEN"))],
            up_else: Otherwise::Pass,
            down_else: Otherwise::Pass,
        },
        Op::Convert {
            path: pointer("/k5"),
            from: ScalarType::Boolean,
            to: ScalarType::String,
            on_error: Otherwise::Pass,
        },
        Op::Rename(names(&[("k5", "l0")])),
        Op::Nest(Group {
            container: Name::new("l1"),
            members: names(&[("z", "l0"), ("k0", "k0")]),
            rest: Rest::Keep,
            always: false,
            mismatch_is_error: false,
        }),
        Op::Move { from: vec![Name::new("l1"), Name::new("z")], to: vec![Name::new("l2")] },
        Op::Add { path: pointer("/l1/n"), value: Some(number("1.50")), replaces_null: false },
        Op::Rename(names(&[("k1", "k2"), ("k2", "k1")])),
    ]
}

proptest! {
    #[test]
    fn what_goes_up_and_comes_down_is_the_same(bodies in vec(old_object(), 1..4), picked in vec(any::<bool>(), 24), layers in any::<bool>(), place in 0..3_usize) {
        let ops = if layers { layered() } else { lossless() };
        // Only whole prefixes of the layers build on each other.
        let count = picked.iter().filter(|picked| **picked).count().clamp(1, ops.len());
        let chosen: Vec<Op> = if layers {
            ops.into_iter().take(count).collect()
        } else {
            ops.into_iter().zip(picked.iter().chain([&true])).filter(|(_, picked)| **picked).map(|(op, _)| op).collect()
        };
        prop_assume!(!chosen.is_empty());
        let (at, body) = match place {
            0 => ("", bodies[0].clone()),
            1 => ("/items/[]", format!("{{\"items\": [{}], \"other\":1}}", bodies.join(" , "))),
            _ => ("/m/{}/x", format!("{{\"m\":{{\"a\":{{\"x\":{}}},\"b\":null}}}}", bodies[0])),
        };
        let edits: Vec<Edit> = chosen.into_iter().map(|op| edit(at, op)).collect();
        let new = run(&edits, Up, &body).expect("nothing to refuse");
        let old = run(&edits, Down, text(&new)).expect("nothing to refuse");
        prop_assert_eq!(sorted(text(&old)), sorted(&body), "through {}", text(&new));
    }
}

// ---- fusion ----

fn any_name() -> impl Strategy<Value = Name> {
    select(vec!["a", "b", "c", "d"]).prop_map(Name::new)
}

fn any_path() -> impl Strategy<Value = Pointer> {
    select(vec!["/a", "/b", "/a/b", "/c/[]/a", "/b/{}/c", "/d/a", "/c/a/b"]).prop_map(pointer)
}

fn any_otherwise() -> impl Strategy<Value = Otherwise> {
    prop_oneof![3 => Just(Otherwise::Pass), 1 => Just(Otherwise::Error), 1 => Just(Otherwise::Value(number("0.0")))]
}

fn any_group() -> impl Strategy<Value = Group> {
    let rest = select(vec![Rest::Drop, Rest::Keep, Rest::Error]);
    (any_name(), select(vec!["a", "b"]), select(vec!["c", "d"]), rest, any::<bool>(), any::<bool>()).prop_map(
        |(container, x, y, rest, always, mismatch_is_error)| {
            let members = names(&[("i", x), ("a", y)]);
            let clash = members.iter().any(|(_, outer)| *outer == container);
            let rest = if clash && rest == Rest::Keep { Rest::Drop } else { rest };
            Group { container, members, rest, always, mismatch_is_error }
        },
    )
}

fn any_list() -> impl Strategy<Value = List> {
    let many = select(vec![Many::Error, Many::First, Many::Last]);
    (any_path(), many, any::<bool>(), any::<bool>()).prop_map(|(path, many, empty_is_null, null_is_empty)| List {
        path,
        many,
        empty_is_null,
        null_is_empty,
    })
}

fn any_op() -> impl Strategy<Value = Op> {
    use ScalarType::{Boolean, Integer, Number, String};
    let pairs = select(vec![
        names(&[("a", "b")]),
        names(&[("a", "b"), ("b", "a")]),
        names(&[("a", "b"), ("b", "c")]),
        names(&[("d", "a")]),
    ]);
    let types = select(vec![(Integer, String), (String, Number), (Number, Integer), (Boolean, Integer)]);
    let paths = || vec(any_name(), 1..4);
    prop_oneof![
        pairs.prop_map(Op::Rename),
        (paths(), paths()).prop_map(|(from, to)| Op::Move { from, to }),
        any_group().prop_map(Op::Nest),
        any_group().prop_map(Op::Unnest),
        (any_path(), any::<bool>(), any::<bool>()).prop_map(|(path, valued, replaces_null)| Op::Add {
            path,
            value: valued.then(|| Literal::array(&[number("1")])),
            replaces_null,
        }),
        (any_path(), any::<bool>()).prop_map(|(path, valued)| Op::Remove {
            path,
            down: if valued { Comeback::Value(Literal::null()) } else { Comeback::Absent },
        }),
        (any_path(), types, any_otherwise()).prop_map(|(path, (from, to), on_error)| Op::Convert {
            path,
            from,
            to,
            on_error
        }),
        (any_path(), any_otherwise(), any_otherwise()).prop_map(|(path, up_else, down_else)| Op::Map {
            path,
            pairs: vec![(Literal::null(), number("7")), (Literal::string("s"), Literal::boolean(true))],
            up_else,
            down_else,
        }),
        any_list().prop_map(Op::Wrap),
        any_list().prop_map(Op::Unwrap),
    ]
}

fn any_edit() -> impl Strategy<Value = Edit> {
    let at = select(vec!["", "", "", "/a", "/b/[]", "/[]", "/c/{}"]);
    let conflict = select(vec![None, None, Some(Conflict::Error), Some(Conflict::Replace)]);
    (at, any_op(), prop::bool::weighted(0.1), conflict).prop_map(|(at, op, strict, conflict)| Edit {
        strict,
        conflict,
        ..edit(at, op)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn fused_is_what_the_changes_one_by_one_are(chain in vec((vec(any_edit(), 1..3), select(vec![Up, Down])), 1..5), body in value(), patch in any::<bool>()) {
        let mode = if patch { Mode::Patch } else { Mode::Whole };
        let body = Bytes::from(body);
        let fuse = |chain: &[(Vec<Edit>, Direction)]| {
            Program::fuse(chain.iter().map(|(edits, direction)| ("c", edits.as_slice(), *direction))).expect("not empty")
        };
        let single = chain.iter().try_fold((body.clone(), false), |(body, narrowed), change| {
            // Each op on its own, too: a list backwards is its ops backwards.
            let (edits, direction) = change;
            let mut edits: Vec<&Edit> = edits.iter().collect();
            if *direction == Down {
                edits.reverse();
            }
            edits.into_iter().try_fold((body, narrowed), |(body, narrowed), edit| {
                let adapted = fuse(&[(vec![edit.clone()], *direction)]).apply(&body, mode)?;
                Ok::<_, AdaptationError>((adapted.body, narrowed || adapted.narrowed))
            })
        });
        let fused = fuse(&chain);
        let all = fused.apply(&body, mode).map(|adapted| (adapted.body, adapted.narrowed));
        let by_whichever_step = |error: &AdaptationError| AdaptationError { step: None, ..error.clone() };
        prop_assert_eq!(all.as_ref().map_err(by_whichever_step), single.as_ref().map_err(by_whichever_step));
        let traced = fused.trace(&body, mode).map(|lines| lines.last().map(|(_, body)| body.clone()));
        prop_assert_eq!(traced, all.map(|(body, _)| Some(body)));
    }

    #[test]
    fn elements_adapted_while_they_are_read_are_what_a_tree_of_them_makes(edits in vec((select(vec!["/b/[]", "/b/[]", "/c/b/[]", "/[]", ""]), any_edit()), 1..5), elements in vec(value(), 0..5), around in value(), form in 0..5) {
        let list = format!("[ {} ]", elements.join(" , "));
        let body = Bytes::from(match form {
            0 => list,
            1 => format!("{{\"b\": {list}, \"a\": {around}}}"),
            2 => format!("{{\"a\": {around} , \"b\":{list} , \"b\": {list}}}"),
            3 => format!("{{\"c\":{{\"a\": {around}, \"b\":{list}}}, \"b\": {around} }}"),
            _ => format!("{{\"b\": {list}, \"c\": {{ \"b\": {list} }}}}"),
        });
        let edits: Vec<Edit> = edits.into_iter().map(|(at, edit)| Edit { at: pointer(at), ..edit }).collect();
        for direction in [Up, Down] {
            let program = Program::fuse([("c", edits.as_slice(), direction)]).expect("not empty");
            let streamed = program.apply(&body, Mode::Whole).map(|adapted| Some(adapted.body));
            let together = program.trace(&body, Mode::Whole).map(|lines| lines.last().map(|(_, body)| body.clone()));
            prop_assert_eq!(streamed, together);
        }
    }

    #[test]
    fn a_program_makes_json_of_json_and_panics_at_nothing(edits in vec(any_edit(), 1..5), mut body in value().prop_map(String::into_bytes), cut in any::<prop::sample::Index>(), byte in any::<u8>(), mutate in 0..4_u8) {
        let at = cut.index(body.len());
        match mutate {
            0 => body[at] = byte,
            1 => body.truncate(at),
            2 => body.insert(at, byte),
            _ => {}
        }
        let valid = scan::read(&body, &Touch::default());
        for direction in [Up, Down] {
            let program = Program::fuse([("c", edits.as_slice(), direction)]).expect("not empty");
            match program.apply(&Bytes::from(body.clone()), Mode::Whole) {
                Ok(adapted) => prop_assert!(valid.is_ok() && scan::read(&adapted.body, &Touch::default()).is_ok()),
                Err(error) => prop_assert_eq!(error.op.is_some(), valid.is_ok(), "{:?}", error),
            }
        }
    }

    #[test]
    fn no_bytes_at_all_make_it_panic(edits in vec(any_edit(), 1..3), body in vec(any::<u8>(), 0..64)) {
        let program = Program::fuse([("c", edits.as_slice(), Up)]).expect("not empty");
        let _ = program.apply(&Bytes::from(body), Mode::Whole);
    }

    #[test]
    fn untouched_bytes_are_copied(kept in value(), also in value(), space in space()) {
        let body = format!("{{{space}\"kept\":{kept},\"a\":1{space},\"list\":[{{\"u\":{also}}},{kept}]}}");
        let edits = [edit("", Op::Rename(names(&[("a", "b")]))), edit("/list/[]", Op::Rename(names(&[("v", "w")])))];
        let new = run(&edits[..1], Up, &body).expect("nothing to refuse");
        let rest = format!("[{{\"u\":{also}}},{kept}]");
        prop_assert_eq!(text(&new), format!("{{\"kept\":{kept},\"b\":1,\"list\":{rest}}}"));
        // A step that changes nothing changes not even whitespace.
        prop_assume!(!kept.contains("\"v\"") && !kept.contains("\"w\""));
        let same = run(&edits[1..], Up, &body).expect("nothing to refuse");
        prop_assert_eq!(text(&same), body);
    }
}
